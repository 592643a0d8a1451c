import Postgres
import Shared

/// Asks operations to stop.
///
/// What nobody works on is canceled at once; a worker has to confirm (D14); a workflow that has
/// begun is woken to undo what it did.
struct OperationCancellation: Sendable {
    /// Asks one operation to stop, under its tree's lock.
    ///
    /// - Throws: `Problem` 409 `too-late`.
    static func request(
        _ body: OperationBody, by actor: String, in change: inout Change
    ) async throws {
        let store = OperationCancelStore(change.transaction)
        if try await store.hasEnded(body.id) { return }
        let workflow = try await WorkflowStore(change.transaction).load(body.id)
        if let workflow, workflow.isCommitted {
            throw OperationProblem.tooLate(body.id, phase: workflow.phase)
        }
        try await store.request(body.id, by: actor)
        let transitions = OperationTransitions(change.transaction)
        let tries = try await transitions.leaveQueue(body.id)
        switch CancelVerdict.decide(
            isCommitted: workflow?.isCommitted, isQueued: tries != nil)
        {
        case .isTooLate, .isTold: return
        case .endsAtOnce:
            try await OperationCompletion.end(
                body, epoch: nil, tries ?? .none, .canceled(isConfirmed: true), in: &change)
        case .isWoken:
            change.lanes.insert(try await transitions.makeReady(body.id, tries ?? .none))
        }
    }

    /// Asks a copy to stop.
    ///
    /// - Throws: `Problem`.
    static func request(
        _ copy: CopyID, by actor: String, in change: inout Change
    ) async throws {
        guard let work = try await CopyStore(change.transaction).work(on: copy) else {
            throw OperationProblem.copyNotFound(copy)
        }
        guard work.isOpen else { throw OperationProblem.copyEnded(copy) }
        if let live = work.live,
            let body = try await OperationBodyReader(change.transaction).body(live)
        {
            try await OperationStore(change.transaction).lockTrees([body.root])
            try await request(body, by: actor, in: &change)
            let hasEnded = try await OperationCancelStore(change.transaction).hasEnded(live)
            if !hasEnded { return }
        }
        try await CopyEnding.end(
            copy, work.destination, .canceled, failure: nil, in: &change)
    }
}
