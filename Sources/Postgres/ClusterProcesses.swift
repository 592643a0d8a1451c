import Glibc
import Platform

/// The processes of a private cluster that an earlier run of the program left behind.
enum ClusterProcesses {
    /// The postmaster that runs in this cluster's directory, if any.
    ///
    /// The lock file alone proves nothing: after a crash of the machine its number may be
    /// anybody's. A postmaster works in its data directory.
    /// - Throws: `PlatformError`.
    static func postmaster(of paths: ClusterPaths) throws -> SpawnedProcess? {
        guard let pid = lockHolder(paths), works(pid, in: paths.data),
            let entry = ProcessTable.entry(pid), !entry.isZombie
        else { return nil }
        return try SpawnedProcess.adopt(pid: pid, startTime: entry.startTime)
    }

    /// Makes room for a new server: waits for what a killed postmaster left behind, ends it when
    /// it does not go by itself, and removes a lock file that nobody holds.
    ///
    /// - Throws: `PostgresError` `.cluster` when processes do not go.
    static func clear(_ paths: ClusterPaths, until deadline: ContinuousClock.Instant) async throws {
        // Children of a dead postmaster notice it and end by themselves.
        let patience = min(deadline, ContinuousClock.now + .seconds(10))
        var isAsked = false
        while true {
            let left = try ProcessTable.all().map(\.pid).filter { works($0, in: paths.data) }
            if left.isEmpty { break }
            if ContinuousClock.now >= patience {
                guard !isAsked || ContinuousClock.now < deadline else {
                    throw PostgresError(
                        code: .cluster,
                        message: "processes \(left) of an earlier server still work in "
                            + "\(paths.data); end them")
                }
                if !isAsked { for pid in left { kill(pid, SIGQUIT) } }
                isAsked = true
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        if unsafe unlink(paths.lockFile) != 0, errno != ENOENT {
            throw PlatformError(
                code: .systemCall, message: "remove \(paths.lockFile)", errno: errno)
        }
    }

    private static func lockHolder(_ paths: ClusterPaths) -> Int32? {
        // No lock file, or one that is being written: nobody is known to run.
        guard let bytes = try? DurableFile.read(paths.lockFile, limitBytes: 4096) else {
            return nil
        }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").first
            .flatMap { Int32($0) }
    }

    /// Whether a process has `directory` as its working directory (proc(5), /proc/PID/cwd).
    private static func works(_ pid: Int32, in directory: String) -> Bool {
        var working = stat()
        var wanted = stat()
        guard unsafe stat("/proc/\(pid)/cwd", &working) == 0, unsafe stat(directory, &wanted) == 0
        else { return false }
        return working.st_dev == wanted.st_dev && working.st_ino == wanted.st_ino
    }
}
