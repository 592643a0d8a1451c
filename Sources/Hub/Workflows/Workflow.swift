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
        case .hostCheck, .volumeCreate, .volumeBackup, .volumeRestore, .volumeApply, .volumeThaw,
            .volumeRetire, .volumeImport, .volumeExecute, .runtimeStart, .runtimeStop:
            throw Failure(code: "no-workflow", message: "\(kind.rawValue) is a host's work")
        }
    }

    private var state: any WorkflowSteps {
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
        }
    }
}

/// Whether a path is in a backup.
struct PathQuestion: Sendable, Hashable, Codable {
    var backup: BackupReference
    var path: ProjectPath
}

/// What every workflow's state has.
protocol WorkflowSteps: Sendable, Codable {
    var phaseName: String { get }
    var isCommitted: Bool { get }
    var isCanceling: Bool { get }
    var awaited: Set<String> { get }
    mutating func handle(_ event: WorkflowEvent, _ facts: WorkflowFacts) -> [WorkflowAction]
}

/// A workflow that has at most one child at a time: what it does next follows from its phase.
protocol SequentialSteps: WorkflowSteps {
    associatedtype Phase: RawRepresentable<String>
    var phase: Phase { get }
    /// The child that it awaits.
    var awaiting: String? { get set }
    var isCanceling: Bool { get set }
    /// Whether it takes its steps back already: a cancel must not stop that.
    var isUndoing: Bool { get }
    /// Goes on in the current phase, in which no child is awaited.
    mutating func proceed(_ facts: WorkflowFacts) -> [WorkflowAction]
    /// The awaited child did its work.
    mutating func succeeded(
        _ key: String, _ outcome: ChildOutcome, _ facts: WorkflowFacts
    ) -> [WorkflowAction]
    /// The awaited child did not.
    mutating func failed(
        _ key: String, _ failure: Failure, _ facts: WorkflowFacts
    ) -> [WorkflowAction]
    /// Undoes what was done and ends; called when a cancel was asked for and no child is awaited.
    mutating func stop(_ facts: WorkflowFacts) -> [WorkflowAction]
}

extension SequentialSteps {
    var phaseName: String { phase.rawValue }
    var isUndoing: Bool { false }
    var awaited: Set<String> { awaiting.map { [$0] } ?? [] }

    mutating func handle(_ event: WorkflowEvent, _ facts: WorkflowFacts) -> [WorkflowAction] {
        switch event {
        case .began, .woken:
            return awaiting == nil ? proceed(facts) : []
        case .childEnded(let key, let outcome):
            guard key == awaiting else { return [] }
            awaiting = nil
            if case .canceled = outcome, !isCommitted, !isUndoing {
                // Somebody canceled the child itself: that stops the whole.
                isCanceling = true
            }
            if let failure = outcome.failure { return failed(key, failure, facts) }
            return succeeded(key, outcome, facts)
        case .cancelRequested:
            guard !isCommitted, !isCanceling, !isUndoing else { return [] }
            isCanceling = true
            return awaiting == nil ? stop(facts) : [.cancelChildren]
        }
    }

    /// Runs a child and awaits it.
    mutating func run(
        _ key: String, on host: HostID, _ facts: WorkflowFacts, copy: CopyID? = nil,
        _ work: HostWork
    ) -> [WorkflowAction] {
        awaiting = key
        return [.runChild(ChildOrder(key, on: host, facts.project.id, copy: copy, work))]
    }

    /// Waits for those who work on the project already; nil when nobody does.
    func drain(_ facts: WorkflowFacts) -> [WorkflowAction]? {
        facts.project.blockers.first.map { blocker in
            [
                .wait(
                    .guarded, "waits for operation \(blocker.operation) (\(blocker.kind))",
                    afterMilliseconds: 500)
            ]
        }
    }

    /// Applies the project's next pending copy (D6); nil when there is none left.
    ///
    /// - Parameter generation: the volume's; the placement's where nil.
    mutating func applyNextCopy(
        _ facts: WorkflowFacts, on host: HostID, generation: Int64? = nil
    ) -> [WorkflowAction]? {
        guard let copy = facts.project.pendingCopies.first else { return nil }
        if let other = copy.appliedBy, other != facts.operation {
            return [
                .wait(
                    .guarded, "operation \(other) applies copy \(copy.id)",
                    afterMilliseconds: 1000)
            ]
        }
        return run(
            "copy/\(copy.id)", on: host, facts, copy: copy.id,
            copy.work(on: facts.project.volume(generation: generation)))
    }

    /// The end of the copy that a child `copy/…` applied; nil for other children.
    func copyEnd(
        _ key: String, _ state: CopyState, _ failure: Failure?, _ facts: WorkflowFacts
    ) -> WorkflowAction? {
        guard key.hasPrefix("copy/"), let copy = CopyID(String(key.dropFirst(5))) else {
            return nil
        }
        return .endCopy(copy, destination: facts.project.id, state, failure)
    }
}

/// Compares a restore's receipt with what was ordered (D5).
enum ReceiptCheck {
    /// - Parameter isPartial: whether a receipt may name what was left out; its tree is then another
    ///   one than the backup's.
    /// - Returns: what is wrong, or nil.
    static func failure(
        _ outcome: ChildOutcome, backup: BackupReference, host: HostID, generation: Int64,
        isPartial: Bool = false
    ) -> Failure? {
        guard let receipt = outcome.result(RestoreReceipt.self) else {
            return ChildOutcome.badResult
        }
        let isWhole = receipt.missing?.isEmpty ?? true
        guard receipt.backup == backup.id, receipt.host == host,
            receipt.generation == generation,
            isWhole ? receipt.rootTree == backup.rootTree : isPartial
        else {
            return Failure(
                code: "receipt-mismatch",
                message: "the restore of backup \(backup.id) came out as tree "
                    + "\(receipt.rootTree.prefix(12)) of backup \(receipt.backup) on "
                    + "\(receipt.host) with generation \(receipt.generation), not as tree "
                    + "\(backup.rootTree.prefix(12)) with generation \(generation)",
                hint: "check the repository")
        }
        return nil
    }
}
