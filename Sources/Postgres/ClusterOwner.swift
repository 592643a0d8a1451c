import Glibc
import Platform

/// The unprivileged user that a private cluster runs as; PostgreSQL refuses to run as root.
enum ClusterOwner {
    /// Whom to change to: nil when this program is not root, and so runs the server as itself.
    ///
    /// - Throws: `PostgresError` `.cluster` when there is no such user.
    static func identity(of user: String) throws -> UserIdentity? {
        guard geteuid() == 0 else { return nil }
        var entry = unsafe passwd()
        var found: UnsafeMutablePointer<passwd>?
        var buffer = [CChar](repeating: 0, count: 16_384)
        let result = unsafe getpwnam_r(user, &entry, &buffer, buffer.count, &found)
        guard result == 0, unsafe found != nil else {
            throw PostgresError(
                code: .cluster,
                message: "there is no user '\(user)' to run PostgreSQL as; install the package "
                    + "postgresql-common or name another user")
        }
        guard unsafe entry.pw_uid != 0 else {
            throw PostgresError(code: .cluster, message: "PostgreSQL cannot run as root")
        }
        return unsafe UserIdentity(userID: entry.pw_uid, groupID: entry.pw_gid)
    }

    /// Makes a directory that only the owner may enter; one that is there must be like that.
    ///
    /// - Throws: `PostgresError` `.cluster` when somebody else owns it; `PlatformError`.
    static func makeDirectory(_ path: String, owner: UserIdentity?) throws {
        let userID = owner?.userID ?? geteuid()
        if unsafe mkdir(path, 0o700) == 0 {
            if let owner {
                try systemCall("chown \(path)") {
                    unsafe lchown(path, owner.userID, owner.groupID)
                }
            }
            return
        }
        guard errno == EEXIST else {
            throw PlatformError(code: .systemCall, message: "make directory \(path)", errno: errno)
        }
        var status = stat()
        try systemCall("stat \(path)") { unsafe lstat(path, &status) }
        guard status.st_mode & S_IFMT == S_IFDIR, status.st_mode & 0o077 == 0 else {
            throw PostgresError(
                code: .cluster, message: "\(path) is not a directory with mode 0700")
        }
        if status.st_uid == userID { return }
        // Made by root just before a crash, and never handed over.
        guard let owner, status.st_uid == 0 else {
            throw PostgresError(
                code: .cluster, message: "\(path) belongs to user \(status.st_uid), not \(userID)")
        }
        try systemCall("chown \(path)") { unsafe lchown(path, owner.userID, owner.groupID) }
    }
}
