import Glibc
import Platform

/// The hub's data directory: where each file lies, and the lock that keeps a second hub out.
struct HubDirectory: Sendable {
    let path: String

    /// The private database cluster.
    var cluster: String { path + "/postgres" }
    /// The bucket that `init` sets up.
    var bucket: String { path + "/bucket" }
    /// The CA's certificate and key, and the server's.
    var authorityCertificate: String { path + "/ca.pem" }
    var authorityKey: String { path + "/ca.key" }
    /// The first admin token, until it is used.
    var firstToken: String { path + "/first-admin-token" }
    private var lock: String { path + "/hub.lock" }

    /// Makes the directory where it is missing: its owner's, passable for the database's user.
    ///
    /// - Throws: `HubError` `.dataDirectory`.
    func create() throws {
        if unsafe mkdir(path, 0o711) != 0, errno != EEXIST {
            throw HubError(
                .dataDirectory,
                "the data directory \(path) cannot be made: \(describe(errno: errno))",
                hint: "make its parent directory first")
        }
        guard unsafe chmod(path, 0o711) == 0 else {
            throw HubError(
                .dataDirectory,
                "the data directory \(path) is not ours: \(describe(errno: errno))")
        }
    }

    /// Refuses a directory that does not exist.
    ///
    /// - Throws: `HubError` `.dataDirectory`.
    func requireExists() throws {
        guard unsafe access(path, R_OK | W_OK | X_OK) == 0 else {
            throw HubError(
                .dataDirectory,
                "the data directory \(path) cannot be used: \(describe(errno: errno))",
                hint: "make it with berth-hub init --data \(path)")
        }
    }

    /// Holds the directory unless another hub does.
    func holdIfFree() throws -> FileLock? {
        // Held: the other hub runs what is in it.
        try? FileLock(path: lock, purpose: "the hub's data directory")
    }

    /// Holds the directory until the answer goes.
    ///
    /// - Throws: `HubError` `.dataDirectory` when another hub holds it, or the lock cannot be used.
    func hold() throws -> FileLock {
        do {
            return try FileLock(path: lock, purpose: "the hub's data directory")
        } catch let error as PlatformError where error.code != .locked {
            throw HubError(
                .dataDirectory, "the lock of the data directory \(path) cannot be used: \(error)",
                hint: "look at \(lock): its owner, its mode, and the room on its disk",
                cause: error)
        } catch {
            throw HubError(
                .dataDirectory, "the data directory \(path) is in use by another hub",
                hint: "stop it first", cause: error)
        }
    }
}
