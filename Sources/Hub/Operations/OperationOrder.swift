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
    case hostCheck(HostID)

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
        case .hostCheck: .hostCheck
        }
    }

    /// The project that it is about, which it keeps others away from where it takes a guard.
    var project: ProjectID? {
        switch self {
        case .start(let project), .stop(let project), .delete(let project), .prune(let project),
            .check(let project, _), .forget(let project, _),
            .backup(let project, _), .restore(let project, _), .move(let project, _),
            .copy(let project, _), .importTree(let project, _), .execute(let project, _):
            project
        case .hostCheck: nil
        }
    }

    /// Whether it holds its project's guard from its creation to its end.
    var takesGuard: Bool {
        switch self {
        case .move, .delete: true
        case .restore(_, let order): order.path == nil
        case .start, .stop, .backup, .copy, .importTree, .execute, .check, .forget, .prune,
            .hostCheck:
            false
        }
    }

    /// Whether it works on the repository alone, which a guard of the project does not keep away.
    var isMaintenance: Bool {
        switch self {
        case .check, .forget, .prune: true
        case .start, .stop, .backup, .restore, .move, .copy, .delete, .importTree, .execute,
            .hostCheck:
            false
        }
    }

    /// Whether a live operation of the same kind on the same project is the answer to it.
    var isShared: Bool {
        switch self {
        case .start, .stop, .backup, .move, .restore, .delete, .check, .forget, .prune: true
        case .copy, .importTree, .execute, .hostCheck: false
        }
    }
}

/// Input of `backup`.
struct BackupOrder: Sendable, Codable, Hashable {
    /// Stored with the snapshot.
    var tags: [String] = []
}

/// Input of `restore`.
struct RestoreOrder: Sendable, Codable, Hashable {
    var backup: BackupReference
    /// Nil for the whole project.
    var path: ProjectPath?
    /// The same path where nil.
    var destination: ProjectPath?
    var overwrite: Overwrite
    /// Whether no local state is built on; nil counts as false.
    var isFromNothing: Bool?
    /// Whether what cannot be read is left out of a whole project; nil counts as false.
    var isPartial: Bool?
}

/// Input of `move`.
struct MoveOrder: Sendable, Codable, Hashable {
    var target: HostID
    /// Must be the project's name for a move away from a host that cannot be reached.
    var acceptLoss: String?
}

/// Input of `copy`.
struct CopyOrder: Sendable, Codable, Hashable {
    var path: ProjectPath
    /// 1 to 1,000.
    var destinations: [ProjectID]
    var destinationPath: ProjectPath
    var overwrite: Overwrite
    /// The backup to copy from; nil makes one unless the newest is current.
    var backup: BackupReference?
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
    var sequence: Int64
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
