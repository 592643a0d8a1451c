import Shared

/// All that a workflow's decision goes by, read in the transaction that performs it.
struct WorkflowFacts: Sendable {
    var operation: OperationID
    /// The database's time.
    var now: Timestamp
    var project: ProjectFacts
    /// A move's destination.
    var target: HostFacts?
    /// A copy's destinations.
    var destinations: [ProjectID: ProjectFacts] = [:]
    /// The copies that the operation created.
    var copies: [CopyFacts] = []
    /// Whether the path that the workflow asked about is in the backup; nil when not looked up.
    var hasPath: Bool?
    /// What came of the chore that the workflow asked for; nil when none was done.
    var chore: ChoreAnswer?
    /// The project's backups that are not forgotten; only for `forget`, `repair` and
    /// `rekey`.
    var backups: [BackupDescription] = []
    /// The operations of hosts that work on the project's repository now; only for `prune`,
    /// `repair` and `rekey`.
    var repositoryUsers: [OperationID] = []
    /// Identifiers that nothing has used, for what an action creates.
    var freshBackup: BackupID
    var freshCopies: [CopyID] = []
    var freshBackups: [BackupID] = []
    var freshRepository: RepositoryID?
    /// When copies that are created now expire.
    var copyExpiry: Timestamp
}

/// A host as a decision sees it.
struct HostFacts: Sendable, Hashable {
    var id: HostID
    var name: String
    /// Whether its agent's session is alive.
    var isOnline: Bool
}

/// A project as a decision sees it.
struct ProjectFacts: Sendable, Hashable {
    var id: ProjectID
    var name: String
    var uid: UInt32
    var gid: UInt32
    var runtime: RuntimeDescription
    var isDeleted: Bool
    var isWantedRunning: Bool
    var host: HostFacts
    var generation: Int64
    /// Nil for unknown.
    var isProvisioned: Bool?
    var newestBackup: BackupReference?
    /// The backup that the volume's base on its host is behind, as the host said last.
    var volumeBase: BackupReference?
    /// Those of the two that may lack what was lost: a check has found damage since.
    var distrusted: Set<BackupID> = []
    var freshness: Freshness
    /// Nil when its host has not reported on this generation.
    var runtimeState: RuntimeState?
    /// Who else holds the project's guard.
    var guardian: OperationID?
    /// Other operations that work on the project now, and that a guard's holder waits for.
    var blockers: [Blocker] = []
    /// Copies into it that have not ended, in their order.
    var pendingCopies: [CopyFacts] = []

    /// What a backup may build on: the volume's base, or the newest backup where its host has none,
    /// and none of which something may be lost, which would be inherited for ever.
    var base: BackupReference? {
        [volumeBase, newestBackup].compactMap(\.self).first { !distrusted.contains($0.id) }
    }

    /// Another operation at work on a project.
    struct Blocker: Sendable, Hashable {
        var operation: OperationID
        var kind: String
    }

    /// Whether it is to run again after a workflow had to stop it.
    var isMeantToRun: Bool {
        !runtime.command.isEmpty && (isWantedRunning || runtimeState == .running)
    }

    /// The volume with the placement's generation, or a later one.
    func volume(generation later: Int64? = nil) -> VolumeReference {
        VolumeReference(project: id, generation: later ?? generation, uid: uid, gid: gid)
    }

    /// The runtime's input for the volume of a generation.
    func runtimeInput(generation later: Int64? = nil) -> RuntimeInput {
        RuntimeInput(volume: volume(generation: later), runtime: runtime)
    }

    /// Why its volume cannot be used.
    var noVolume: Failure {
        Failure(
            code: "no-volume", message: "host \(host.name) has no volume of \(name)",
            hint: "make it with berth project start \(name)")
    }
}

/// A copy as a decision sees it.
struct CopyFacts: Sendable, Hashable {
    var id: CopyID
    /// The operation that created it.
    var operation: OperationID
    var backup: BackupReference
    var sourcePath: ProjectPath
    var destination: ProjectID
    var destinationPath: ProjectPath
    var overwrite: Overwrite
    var state: CopyState
    /// The root of the operation that applies it now.
    var appliedBy: OperationID?

    /// What its destination's host is to do.
    func work(on volume: VolumeReference) -> HostWork {
        .apply(
            VolumeApplyInput(
                volume: volume, copy: id, backup: backup, source: sourcePath,
                destination: destinationPath, overwrite: overwrite, isFaithful: false))
    }
}
