import Shared

/// Whether a path is in a backup.
struct PathQuestion: Sendable, Hashable, Codable {
    var backup: BackupReference
    var path: ProjectPath
}

/// What every workflow's state has.
protocol WorkflowState: Sendable, Codable {
    var phaseName: String { get }
    var isCommitted: Bool { get }
    var isCanceling: Bool { get }
    var awaited: Set<String> { get }
}

/// A workflow of one project: events in, actions out.
protocol WorkflowSteps: WorkflowState {
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
