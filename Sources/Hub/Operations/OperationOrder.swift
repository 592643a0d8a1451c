import Shared

/// What somebody wants done: an operation that the hub can create, with its input.
///
/// References are resolved already.
enum OperationOrder: Sendable {
    case start(ProjectID)
    case stop(ProjectID)
    case backup(ProjectID, BackupOrder)
    case restore(ProjectID, RestoreOrder)
    case move(ProjectID, MoveOrder)
    /// Of the source.
    case copy(ProjectID, CopyOrder)
    case delete(ProjectID)
    case importTree(ProjectID, ImportRequest)
    case execute(ProjectID, ExecuteRequest)
    case check(ProjectID, CheckRequest)
    case forget(ProjectID, ForgetOrder)
    case prune(ProjectID)
    case repair(ProjectID, RepairOrder)
    case rekey(ProjectID, RekeyOrder)
    case hostCheck(HostID)
    case drain(HostID, DrainOrder)
    /// Of the projects that a query finds.
    case batch(BatchOrder, ProjectQuery)

    var kind: OperationKind {
        switch self {
        case .start: .start
        case .stop: .stop
        case .backup: .backup
        case .restore: .restore
        case .move: .move
        case .copy: .copy
        case .delete: .delete
        case .importTree: .importTree
        case .execute: .execute
        case .check: .check
        case .forget: .forget
        case .prune: .prune
        case .repair: .repair
        case .rekey: .rekey
        case .hostCheck: .hostCheck
        case .drain: .drain
        case .batch: .batch
        }
    }

    /// The project that it is about, which it keeps others away from where it takes a guard.
    var project: ProjectID? {
        switch self {
        case .start(let project), .stop(let project), .delete(let project), .prune(let project),
            .check(let project, _), .forget(let project, _), .repair(let project, _),
            .rekey(let project, _),
            .backup(let project, _), .restore(let project, _), .move(let project, _),
            .copy(let project, _), .importTree(let project, _), .execute(let project, _):
            project
        case .hostCheck, .drain, .batch: nil
        }
    }

    /// Whether it holds its project's guard from its creation to its end.
    var takesGuard: Bool {
        switch self {
        case .move, .delete, .repair, .rekey: true
        case .restore(_, let order): order.path == nil
        case .start, .stop, .backup, .copy, .importTree, .execute, .check, .forget, .prune,
            .hostCheck, .drain, .batch:
            false
        }
    }

    /// Whether it works on the repository alone, which a guard of the project does not keep away.
    var isMaintenance: Bool {
        switch self {
        case .check, .forget, .prune: true
        case .start, .stop, .backup, .restore, .move, .copy, .delete, .importTree, .execute,
            .repair, .rekey, .hostCheck, .drain, .batch:
            false
        }
    }

    /// Whether a live operation of the same kind on the same project is the answer to it.
    var isShared: Bool {
        switch self {
        case .start, .stop, .backup, .move, .restore, .delete, .check, .forget, .prune, .repair,
            .rekey:
            true
        case .copy, .importTree, .execute, .hostCheck, .drain, .batch: false
        }
    }
}

/// An operation that was asked for.
struct CreatedOperation: Sendable {
    var operation: OperationDescription
    /// Whether it was live already (answer with `Idempotent-Replay: true`).
    var isReplay: Bool
}

/// Which operations to list.
struct OperationFilter: Sendable {
    var state: OperationState?
    var project: ProjectID?
    var host: HostID?
    var kind: OperationKind?
    /// Whether children are listed too; default false.
    var includesChildren = false
}

/// One progress message of an operation, for a stream with `Last-Event-ID`.
struct ProgressEntry: Sendable {
    var position: ProgressPosition
    var progress: Progress
}

/// An operation under a lease that has just been checked.
struct FencedOperation: Sendable {
    var id: OperationID
    var kind: OperationKind
    var root: OperationID
    var host: HostID
    var project: ProjectID?
    var input: JSONValue
}
