/// What an operation does.
///
/// The first group runs on the hub as workflows whose work is done by children; the second group is
/// that work, done by the agent of one host.
public enum OperationKind: String, Sendable, Codable, CaseIterable {
    /// Restores what is missing, applies pending copies, then starts the runtime (D6).
    case start
    /// Stops a project's runtime.
    case stop
    /// Backs a project up.
    case backup
    /// Puts a project, or a path of it, back to what a backup holds.
    case restore
    /// Moves a project to another host.
    case move
    /// Copies a path of one project into others.
    case copy
    /// Retires a project.
    case delete
    /// Fills a project from a directory of its host.
    case importTree = "import"
    /// Runs a command in a project.
    case execute
    /// Checks a project's repository.
    case check
    /// Forgets backups of a project.
    case forget
    /// Removes what no backup needs from a project's repository.
    case prune
    /// Moves every project away from a host.
    case drain
    /// Does the same with many projects.
    case batch
    /// Makes a project's repository consistent again with what is left of it.
    case repair
    /// Gives a project a new repository with another key and all of its backups.
    case rekey

    /// Answers, so that the way to a host and its speed can be tested.
    case hostCheck = "host.check"
    /// Looks which volumes a host has, now.
    case hostInventory = "host.inventory"
    /// Creates an empty volume for a project that has no backup.
    case volumeCreate = "volume.create"
    /// Takes a snapshot and stores it in the repository.
    case volumeBackup = "volume.backup"
    /// Builds a volume from a backup and exchanges it for what is there.
    case volumeRestore = "volume.restore"
    /// Restores one path of a backup into a volume: a copy, or a file of the project's own.
    case volumeApply = "volume.apply"
    /// Makes a frozen volume writable again.
    case volumeThaw = "volume.thaw"
    /// Moves a volume that is placed elsewhere, or whose project is deleted, to the trash.
    case volumeRetire = "volume.retire"
    /// Copies a directory of the host into a volume.
    case volumeImport = "volume.import"
    /// Runs a command in a volume, as the project or as root.
    case volumeExecute = "volume.execute"
    /// Starts the project's process.
    case runtimeStart = "runtime.start"
    /// Stops the project's processes and confirms that none is left.
    case runtimeStop = "runtime.stop"

    /// Whether the hub runs it as a workflow.
    public var isWorkflow: Bool { !rawValue.contains(".") }

    /// Whether it is a parent of many: its items are projects, each with an operation of its own.
    public var isGroup: Bool { self == .drain || self == .batch }
}
