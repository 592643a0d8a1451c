import Shared

/// An operation of the hub: a pure value that hears events and says what to do.
///
/// Its state is stored with every transition; it never waits in memory. Hearing an event twice is
/// harmless.
enum Workflow: Sendable, Codable {
    case start(StartWorkflow)
    case stop(StopWorkflow)
    case backup(BackupWorkflow)
    case restore(RestoreWorkflow)
    case move(MoveWorkflow)
    case copy(CopyWorkflow)
    case delete(DeleteWorkflow)
    case importTree(ImportWorkflow)
    case execute(ExecuteWorkflow)
    case check(CheckWorkflow)
    case forget(ForgetWorkflow)
    case prune(PruneWorkflow)
    case drain(DrainWorkflow)
    case batch(BatchWorkflow)
    case repair(RepairWorkflow)
    case rekey(RekeyWorkflow)

    /// The workflow of an operation that has not begun.
    ///
    /// - Throws: `DecodingError` when the input is of another form; `Failure` for a kind that is
    ///   no workflow.
    init(_ kind: OperationKind, input: JSONValue) throws {
        switch kind {
        case .start: self = .start(StartWorkflow())
        case .stop: self = .stop(StopWorkflow())
        case .backup: self = .backup(BackupWorkflow(try JSON.decode(BackupOrder.self, from: input)))
        case .restore:
            self = .restore(RestoreWorkflow(try JSON.decode(RestoreOrder.self, from: input)))
        case .move: self = .move(MoveWorkflow(try JSON.decode(MoveOrder.self, from: input)))
        case .copy: self = .copy(CopyWorkflow(try JSON.decode(CopyOrder.self, from: input)))
        case .delete: self = .delete(DeleteWorkflow())
        case .importTree:
            self = .importTree(ImportWorkflow(try JSON.decode(ImportRequest.self, from: input)))
        case .execute:
            self = .execute(ExecuteWorkflow(try JSON.decode(ExecuteRequest.self, from: input)))
        case .check: self = .check(CheckWorkflow(try JSON.decode(CheckRequest.self, from: input)))
        case .forget: self = .forget(ForgetWorkflow(try JSON.decode(ForgetOrder.self, from: input)))
        case .prune: self = .prune(PruneWorkflow())
        case .drain: self = .drain(DrainWorkflow(try JSON.decode(DrainOrder.self, from: input)))
        case .batch: self = .batch(BatchWorkflow(try JSON.decode(BatchOrder.self, from: input)))
        case .repair: self = .repair(RepairWorkflow(try JSON.decode(RepairOrder.self, from: input)))
        case .rekey: self = .rekey(RekeyWorkflow(try JSON.decode(RekeyOrder.self, from: input)))
        case .hostCheck, .hostInventory, .volumeCreate, .volumeBackup, .volumeRestore, .volumeApply,
            .volumeThaw,
            .volumeRetire, .volumeImport, .volumeExecute, .runtimeStart, .runtimeStop:
            throw Failure(code: "no-workflow", message: "\(kind.rawValue) is a host's work")
        }
    }

    private var state: any WorkflowState {
        switch self {
        case .start(let steps): steps
        case .stop(let steps): steps
        case .backup(let steps): steps
        case .restore(let steps): steps
        case .move(let steps): steps
        case .copy(let steps): steps
        case .delete(let steps): steps
        case .importTree(let steps): steps
        case .execute(let steps): steps
        case .check(let steps): steps
        case .forget(let steps): steps
        case .prune(let steps): steps
        case .drain(let steps): steps
        case .batch(let steps): steps
        case .repair(let steps): steps
        case .rekey(let steps): steps
        }
    }

    /// The phase's name, as people see it.
    var phase: String { state.phaseName }
    /// Whether the point of no return is behind it: from there on only forward.
    var isCommitted: Bool { state.isCommitted }
    /// Whether it has heard that it is to stop.
    var isCanceling: Bool { state.isCanceling }
    /// The children whose end it wants to hear of.
    var awaited: Set<String> { state.awaited }
    /// What has to be looked up in a repository before it is woken.
    var pathQuestion: PathQuestion? {
        guard case .copy(let steps) = self else { return nil }
        return steps.pathQuestion
    }

    /// What has to be done in a repository before it is woken.
    var chore: RepositoryChore? { (state as? any ChoreSteps)?.chore }

    /// Decides what follows from an event.
    mutating func handle(_ event: WorkflowEvent, _ facts: WorkflowFacts) -> [WorkflowAction] {
        switch self {
        case .start(var steps):
            defer { self = .start(steps) }
            return steps.handle(event, facts)
        case .stop(var steps):
            defer { self = .stop(steps) }
            return steps.handle(event, facts)
        case .backup(var steps):
            defer { self = .backup(steps) }
            return steps.handle(event, facts)
        case .restore(var steps):
            defer { self = .restore(steps) }
            return steps.handle(event, facts)
        case .move(var steps):
            defer { self = .move(steps) }
            return steps.handle(event, facts)
        case .copy(var steps):
            defer { self = .copy(steps) }
            return steps.handle(event, facts)
        case .delete(var steps):
            defer { self = .delete(steps) }
            return steps.handle(event, facts)
        case .importTree(var steps):
            defer { self = .importTree(steps) }
            return steps.handle(event, facts)
        case .execute(var steps):
            defer { self = .execute(steps) }
            return steps.handle(event, facts)
        case .check(var steps):
            defer { self = .check(steps) }
            return steps.handle(event, facts)
        case .forget(var steps):
            defer { self = .forget(steps) }
            return steps.handle(event, facts)
        case .prune(var steps):
            defer { self = .prune(steps) }
            return steps.handle(event, facts)
        case .drain, .batch:
            // A group decides by its items: see `GroupStep`.
            return []
        case .repair(var steps):
            defer { self = .repair(steps) }
            return steps.handle(event, facts)
        case .rekey(var steps):
            defer { self = .rekey(steps) }
            return steps.handle(event, facts)
        }
    }
}
