import Glibc
import Platform
import Shared

/// The projects' processes on this host. They outlive the agent: a new run of it finds them again
/// by process id, start time and boot.
actor Runtimes {
    private struct Known {
        /// Nil when it had ended before this run of the agent began.
        let process: SpawnedProcess?
        /// Whether its end was told.
        var isExitTold: Bool
        /// Whether the agent died between starting a process and writing it down.
        var isStartUnknown = false
    }

    private let ledger: Ledger
    private let directory: DataDirectory
    private let pool: BlockingPool
    private let boot: String
    /// What was started and not stopped; some may have ended by themselves.
    private var known: [ProjectID: Known]

    /// Finds the processes again that an earlier run of the agent started.
    static func adopt(
        ledger: Ledger, directory: DataDirectory, pool: BlockingPool
    ) async throws -> Runtimes {
        let boot = try await pool.run { try ProcessTable.bootID() }
        var known: [ProjectID: Known] = [:]
        for (project, recorded) in try await ledger.runtimes() {
            let isStartUnknown = recorded.pid == 0
            let process =
                recorded.boot == boot && !isStartUnknown
                ? try SpawnedProcess.adopt(pid: recorded.pid, startTime: recorded.startTime) : nil
            known[project] = Known(
                process: process, isExitTold: process == nil, isStartUnknown: isStartUnknown)
        }
        return Runtimes(
            ledger: ledger, directory: directory, pool: pool, boot: boot, known: known)
    }

    private init(
        ledger: Ledger, directory: DataDirectory, pool: BlockingPool, boot: String,
        known: [ProjectID: Known]
    ) {
        self.ledger = ledger
        self.directory = directory
        self.pool = pool
        self.boot = boot
        self.known = known
    }

    /// What a project's runtime does.
    func state(of project: ProjectID) -> RuntimeState {
        guard let known = known[project] else { return .stopped }
        guard let process = known.process, process.exit == nil else { return .exited }
        return .running
    }

    /// How many run, for the log at start.
    var runningCount: Int { known.keys.count { state(of: $0) == .running } }

    /// Starts a project's process; one that runs already is left alone.
    ///
    /// - Throws: `Failure` with code `runtime-failed` when it cannot be started.
    func start(
        _ volume: VolumeReference, _ runtime: RuntimeDescription, home: String
    ) async throws {
        if state(of: volume.project) == .running { return }
        guard let program = runtime.command.first else { return }
        let environment = RuntimeEnvironment.make(
            project: volume.project, home: home, more: runtime.environment)
        let log = try Descriptor(
            opening: "\(directory.logs)/\(volume.project).log",
            flags: O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW)
        let processes = ProjectProcesses(volume.project, uid: volume.uid, ledger: ledger.id)
        if known[volume.project]?.isStartUnknown == true {
            // A process may run that is not known: two at once would write the same files.
            try await ProcessStop(
                project: processes, leader: nil, grace: .zero, pool: pool
            ).run()
        }
        try await ledger.runtimeStarting(volume.project, boot: boot)
        let group = processes.group
        let process: SpawnedProcess
        do {
            try group?.create()
            process = try await SpawnedProcess.start(
                program, Array(runtime.command.dropFirst()), environment: environment,
                directory: home, user: UserIdentity(userID: volume.uid, groupID: volume.gid),
                log: log, controlGroup: group)
        } catch let error as PlatformError {
            known[volume.project] = nil
            try await ledger.runtimeStopped(volume.project)
            throw Failure(
                code: "runtime-failed", message: "\(error)",
                hint: "set a command that exists on the host")
        }
        known[volume.project] = Known(process: process, isExitTold: false)
        try await ledger.runtimeStarted(
            volume.project,
            RuntimeProcess(pid: process.pid, startTime: process.startTime, boot: boot))
    }

    /// Ends all processes of a project.
    ///
    /// - Throws: `Failure` with code `processes-left`.
    func stop(_ project: ProjectID, uid: UInt32, grace: Duration) async throws {
        let processes = ProjectProcesses(project, uid: uid, ledger: ledger.id)
        try await ProcessStop(
            project: processes, leader: known[project]?.process, grace: grace, pool: pool
        ).run()
        processes.group?.remove()
        known[project] = nil
        try await ledger.runtimeStopped(project)
    }

    /// The projects whose process ended by itself since the last call.
    func collectExits() -> [ProjectID] {
        let ended = known.filter { !$1.isExitTold && $1.process?.exit != nil }.map(\.key)
        for project in ended { known[project]?.isExitTold = true }
        return ended
    }
}
