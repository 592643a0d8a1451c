import Glibc
import Platform

/// Where the programs of one PostgreSQL server version are.
public struct ServerBinaries: Sendable, Equatable {
    /// The directory with `postgres` and `initdb`.
    public let directory: String
    /// The major version, such as 15.
    public let majorVersion: Int

    /// Names a directory of server programs.
    public init(directory: String, majorVersion: Int) {
        self.directory = directory
        self.majorVersion = majorVersion
    }

    /// Where Debian puts server versions side by side.
    public static let debianRoot = "/usr/lib/postgresql"

    /// The installed version that is asked for, or the newest.
    ///
    /// - Parameters:
    ///   - majorVersion: the version that a cluster was made by; nil for the newest.
    ///   - root: where versions are side by side, default Debian's place.
    /// - Throws: `PostgresError` `.cluster` saying what to install.
    public static func find(
        majorVersion: Int? = nil, in root: String = debianRoot
    ) throws -> ServerBinaries {
        var found: [ServerBinaries] = []
        // A missing directory means that nothing is installed, which is said below.
        if let opened = try? Descriptor(opening: root, flags: O_RDONLY | O_DIRECTORY) {
            for entry in try directoryEntries(of: opened) {
                guard let version = Int(String(decoding: entry, as: UTF8.self)) else { continue }
                let directory = "\(root)/\(version)/bin"
                guard unsafe access("\(directory)/postgres", X_OK) == 0,
                    unsafe access("\(directory)/initdb", X_OK) == 0
                else { continue }
                found.append(ServerBinaries(directory: directory, majorVersion: version))
            }
        }
        let wanted = found.filter { majorVersion == nil || $0.majorVersion == majorVersion }
        guard let newest = wanted.max(by: { $0.majorVersion < $1.majorVersion }) else {
            let version = majorVersion.map { " \($0)" } ?? ""
            throw PostgresError(
                code: .cluster,
                message: "no PostgreSQL\(version) server programs in \(root); install the package "
                    + "postgresql\(majorVersion.map { "-\($0)" } ?? "")")
        }
        return newest
    }
}
