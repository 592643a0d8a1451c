import Shared

/// What a workflow wants done; all actions of an event, its new phase and its parking or end are
/// one transaction.
enum WorkflowAction: Sendable {
    /// Creates a child unless one with this key was created before.
    case runChild(ChildOrder)
    /// Asks all living children to stop.
    case cancelChildren
    /// Asks one child to stop.
    case cancelChild(String)
    /// Changes the registry.
    case record(RegistryEvent)
    /// Keeps a backup until the operation ends (D9).
    case pin(BackupReference, PinReason)
    /// Records a copy, pins its backup, and lets it take the place of older ones.
    case createCopy(CopyCreated)
    /// Ends a copy unless it has ended.
    case endCopy(CopyID, destination: ProjectID, CopyState, Failure?)
    /// Forgets a backup, which nothing may pin (D9).
    case forget(BackupReference)
    /// Records what is left of a backup as a backup of its own.
    case recordRepaired(
        BackupDescription, as: BackupID, snapshot: String, rootTree: String, omissions: [String])
    /// No volume builds on a backup any more.
    case releaseBases(of: BackupReference)
    /// Notes how a check of the project's repository ended.
    case recordCheck(CheckRequest.Reading, CheckResult)
    /// Lets others have the project although the operation goes on.
    case releaseGuard
    /// Parks it, if nothing else is to be done.
    case wait(WaitingReason, String, afterMilliseconds: Int64)
    case succeed(JSONValue)
    case fail(Failure)
    case cancel
}

/// A child to be run by a host.
struct ChildOrder: Sendable, Hashable {
    /// What its workflow calls it.
    var key: String
    var host: HostID
    var project: ProjectID
    /// The copy that it applies; two operations never apply one copy at once.
    var copy: CopyID?
    var work: HostWork

    init(
        _ key: String, on host: HostID, _ project: ProjectID, copy: CopyID? = nil, _ work: HostWork
    ) {
        self.key = key
        self.host = host
        self.project = project
        self.copy = copy
        self.work = work
    }
}

/// A host's work with its input.
enum HostWork: Sendable, Hashable {
    case create(VolumeInput)
    case backup(VolumeBackupInput)
    case restore(VolumeRestoreInput)
    case apply(VolumeApplyInput)
    case thaw(VolumeInput)
    case retire(VolumeRetireInput)
    case importTree(VolumeImportInput)
    case execute(VolumeExecuteInput)
    case startRuntime(RuntimeInput)
    case stopRuntime(RuntimeInput)

    var kind: OperationKind {
        switch self {
        case .create: .volumeCreate
        case .backup: .volumeBackup
        case .restore: .volumeRestore
        case .apply: .volumeApply
        case .thaw: .volumeThaw
        case .retire: .volumeRetire
        case .importTree: .volumeImport
        case .execute: .volumeExecute
        case .startRuntime: .runtimeStart
        case .stopRuntime: .runtimeStop
        }
    }

    /// The input's document.
    func document() throws -> JSONValue {
        switch self {
        case .create(let input), .thaw(let input): try JSON.value(input)
        case .backup(let input): try JSON.value(input)
        case .restore(let input): try JSON.value(input)
        case .apply(let input): try JSON.value(input)
        case .retire(let input): try JSON.value(input)
        case .importTree(let input): try JSON.value(input)
        case .execute(let input): try JSON.value(input)
        case .startRuntime(let input), .stopRuntime(let input): try JSON.value(input)
        }
    }
}
