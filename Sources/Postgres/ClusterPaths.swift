import Glibc
import Platform

/// Where the parts of a private cluster are.
struct ClusterPaths: Sendable, Equatable {
    /// What the caller named; everything but a far socket is in it.
    let root: String
    /// PGDATA.
    let data: String
    /// Where `initdb` works until it is done, so that `data` is whole or missing.
    let unfinished: String
    /// The server's log, and the one before it.
    let log: String
    let oldLog: String
    /// The directory of the Unix socket.
    let socketDirectory: String

    /// The longest socket directory: sockaddr_un holds 107 bytes with the socket's own name.
    static let longestSocketDirectory = 90

    init(root: String, isRoot: Bool = geteuid() == 0) {
        self.root = root
        data = "\(root)/cluster"
        unfinished = "\(root)/cluster.initializing"
        log = "\(root)/server.log"
        oldLog = "\(root)/server.log.1"
        let near = "\(root)/socket"
        guard near.utf8.count > ClusterPaths.longestSocketDirectory else {
            socketDirectory = near
            return
        }
        // The same place every time, so that a server that outlived us is found again.
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in root.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        socketDirectory = "\(isRoot ? "/run" : "/tmp")/berth-postgres-\(String(hash, radix: 36))"
    }

    /// PostgreSQL's lock file; its first line is the postmaster's process id.
    var lockFile: String { "\(data)/postmaster.pid" }

    /// The major version that the cluster was made by; nil when there is none yet.
    ///
    /// - Throws: `PostgresError` `.cluster` when what is there is no cluster.
    func majorVersion() throws -> Int? {
        let path = "\(data)/PG_VERSION"
        guard unsafe access(path, F_OK) == 0 else { return nil }
        let text = String(decoding: try DurableFile.read(path, limitBytes: 64), as: UTF8.self)
        guard let version = Int(text.filter { !$0.isWhitespace }) else {
            throw PostgresError(code: .cluster, message: "\(path) holds no version")
        }
        return version
    }
}
