import CPlatform
import Glibc
import Platform
import Shared

/// A directory inside a volume where files wait for their last step, a rename within the same
/// subvolume.
///
/// Only root can look into it; the project's user could at most rename it, which is why it is
/// always reached by its inode.
struct ApplyStaging: Sendable {
    private static let prefix = ".berth-staging-"
    /// What is put into place is called so inside.
    static let contentName = "content"

    let volume: String
    let operation: OperationID
    let pool: BlockingPool

    var name: String { Self.prefix + operation.description }
    var path: String { volume + "/" + name }

    /// Makes it anew, empty.
    ///
    /// - Returns: its inode.
    func make() async throws -> UInt64 {
        try await remove()
        let path = path
        return try await pool.run {
            try systemCall("make \(path)") { unsafe mkdir(path, 0o700) }
            return try Self.status(of: Descriptor(opening: path, flags: O_DIRECTORY | O_NOFOLLOW))
        }
    }

    /// Opens it; blocks.
    ///
    /// - Throws: `Failure` when something else has its name.
    func open(inode: UInt64) throws -> Descriptor {
        let directory = try Descriptor(opening: path, flags: O_DIRECTORY | O_NOFOLLOW)
        guard try Self.status(of: directory) == inode else {
            throw Failure(
                code: "staging-missing", message: "something else is called \(path)",
                hint: "a process of the project renamed it; try again", class: .retryable)
        }
        return directory
    }

    /// Whether it is still the one that was made.
    func isThere(inode: UInt64) async throws -> Bool {
        try await pool.run {
            do {
                _ = try open(inode: inode)
                return true
            } catch is Failure {
                return false
            } catch let error as PlatformError
                where [ENOENT, ENOTDIR, ELOOP].contains(error.errno)
            {
                return false
            }
        }
    }

    /// Removes it with everything in it.
    func remove() async throws {
        let path = path
        try await pool.run { try removeTree(at: path) }
    }

    /// Removes those of all operations except some.
    static func removeAll(
        in volume: String, except kept: Set<OperationID>, pool: BlockingPool
    ) async throws {
        let names = try await pool.run {
            try directoryEntries(of: Descriptor(opening: volume, flags: O_DIRECTORY | O_NOFOLLOW))
                .map { String(decoding: $0, as: UTF8.self) }
        }
        for name in names where name.hasPrefix(prefix) {
            guard let operation = OperationID(String(name.dropFirst(prefix.count))),
                !kept.contains(operation)
            else { continue }
            try await pool.run { try removeTree(at: volume + "/" + name) }
        }
    }

    private static func status(of directory: borrowing Descriptor) throws -> UInt64 {
        var status = stat()
        try directory.withNumber { number in
            try systemCall("look at a directory") { unsafe fstat(number, &status) }
        }
        guard status.st_uid == 0 else {
            throw Failure(
                code: "staging-missing", message: "a staging directory does not belong to root",
                class: .retryable)
        }
        return UInt64(status.st_ino)
    }
}
