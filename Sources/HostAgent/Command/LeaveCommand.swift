import Glibc
import Platform
import Shared

/// `berth-agent unmount` and `leave`: ends the projects' processes and unmounts the agent's own
/// loop image; a file system that somebody else mounts is left alone.
///
/// No volume is touched.
struct LeaveCommand: Sendable {
    let data: String
    /// Whether the host's identity is removed too.
    let forgets: Bool
    let say: @Sendable (String) -> Void

    func run() async throws {
        let directory = try DataDirectory(data)
        let lock = try FileLock(path: directory.lock, purpose: "unmount")
        defer { extendLifetime(lock) }
        let configuration = try AgentConfiguration.read(directory.configuration)
        try await endProcesses(directory)
        try await FilesystemMount(directory: directory, storage: configuration.storage).unmount()
        if forgets {
            for path in [directory.token, directory.identity] {
                try removeTree(at: path)
            }
            try DurableFile.syncDirectory(of: directory.identity)
            say("This machine is not a host any more; its volumes are as they were.")
        }
    }

    private func endProcesses(_ directory: DataDirectory) async throws {
        let pool = BlockingPool(label: "berth.files", width: 1)
        let ledger = try await Ledger.open(directory, creates: false)
        let runtimes = try await Runtimes.adopt(
            ledger: ledger, directory: directory, pool: pool)
        for project in try await ledger.runtimes().keys {
            guard let record = try await ledger.volume(project) else { continue }
            try await runtimes.stop(project, uid: record.uid, grace: .seconds(5))
        }
        await ledger.close()
    }
}
