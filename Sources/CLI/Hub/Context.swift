import Glibc
import Platform
import Shared

/// What `berth login` keeps: where the hub is, how it is known, and the token.
struct Context: Codable, Sendable, Equatable {
    /// The hub's addresses, each `https://host:port`, tried in order.
    var hubs: [String]
    /// Who logged in.
    var name: String
    var token: String
    /// The hub's own CA in PEM; nil where the system's authorities vouch for the hub.
    var authority: String?

    /// Where it is kept unless `--config` says otherwise.
    static func path(_ environment: [String: String]) -> String {
        if let path = environment["BERTH_CONFIG"], !path.isEmpty { return path }
        if let root = environment["XDG_CONFIG_HOME"], root.hasPrefix("/") {
            return root + "/berth/config.json"
        }
        return (environment["HOME"] ?? "") + "/.config/berth/config.json"
    }

    /// - Throws: `CommandFailure` that says how to log in, or what is wrong with the file.
    static func load(from path: String) throws(CommandFailure) -> Context {
        let bytes: [UInt8]
        do {
            bytes = try DurableFile.read(path)
        } catch let error as PlatformError where error.errno == ENOENT || error.errno == ENOTDIR {
            throw CommandFailure(
                .notAllowed, code: "not-logged-in", "you are not logged in: \(path) does not exist",
                hint: "berth login --hub URL --token-file FILE --name NAME")
        } catch {
            throw CommandFailure(
                .usage, code: "config", "cannot read the login: \(error)",
                hint: "log in again, or name another file with --config")
        }
        do {
            let context = try JSON.decode(Context.self, from: bytes)
            if !context.hubs.isEmpty { return context }
        } catch {
            // Whatever is wrong with the file, the way out is the same.
        }
        throw CommandFailure(
            .usage, code: "config", "\(path) is not a login that berth wrote",
            hint: "berth login --hub URL --token-file FILE --name NAME writes it anew")
    }

    /// Removes it.
    ///
    /// - Returns: false when it was not there.
    static func forget(_ path: String) throws -> Bool {
        if unsafe unlink(path) == 0 { return true }
        if errno == ENOENT || errno == ENOTDIR { return false }
        throw PlatformError(code: .systemCall, message: "remove \(path)", errno: errno)
    }

    /// Writes it for its owner only, making the directories that are missing.
    func save(to path: String) throws {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false).dropLast()
        for end in parts.indices where end > parts.startIndex {
            let directory = parts[...end].joined(separator: "/")
            if unsafe mkdir(directory, 0o700) != 0, errno != EEXIST {
                throw PlatformError(
                    code: .systemCall, message: "make the directory \(directory)", errno: errno)
            }
        }
        try DurableFile.write(try JSON.encode(self) + [0x0A], to: path, mode: 0o600)
    }
}
