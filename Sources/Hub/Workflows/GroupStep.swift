import Postgres
import Shared

/// One claimed group, worked on until it has to wait or ends: all of it is one transaction under its
/// lock, so that a crash anywhere leaves it as it was before, and what its items' operations did is
/// there when it goes on.
struct GroupStep: Sendable {
    /// How often one transaction asks at most.
    private static let turns = 1000

    let claimed: ClaimedOperation
    let identifiers: Identifiers

    /// What a step came to.
    struct Outcome: Sendable {
        /// Whether its lease still was its own.
        var isOurs: Bool
        /// Operations to be asked to stop, now that the step is committed.
        var cancels: [OperationID] = []
    }

    func run(in change: inout Change) async throws -> Outcome {
        let transaction = change.transaction
        try await OperationStore(transaction).lockTrees([claimed.root])
        guard
            let body = try await OperationBodyReader(transaction).fenced(
                claimed.id, epoch: claimed.epoch, host: nil)
        else { return Outcome(isOurs: false) }
        let stored = try await WorkflowStore(transaction).load(body.id)
        switch try stored?.workflow ?? Workflow(body.kind, input: body.input) {
        case .drain(let drain):
            let facts = DrainFactsReader(transaction: transaction, body: body)
            return try await run(drain, body, in: &change, wrap: { .drain($0) }) {
                try await facts.read()
            }
        case .batch(let batch):
            return try await run(batch, body, in: &change, wrap: { .batch($0) }) { nil }
        case .start, .stop, .backup, .restore, .move, .copy, .delete, .importTree, .execute,
            .check, .forget, .prune, .repair, .rekey:
            throw RegistryConflict(description: "operation \(body.id) is no group")
        }
    }

    private func run<Steps: GroupSteps>(
        _ begun: Steps, _ body: OperationBody, in change: inout Change,
        wrap: (Steps) -> Workflow, drainFacts: () async throws -> DrainFacts?
    ) async throws -> Outcome {
        var steps = begun
        var outcome = Outcome(isOurs: true)
        var wait: (sentence: String, milliseconds: Int64) = ("goes on", 0)
        turns: for _ in 0..<Self.turns {
            var facts = try await facts(of: body, in: change.transaction)
            facts.drain = try await drainFacts()
            let performer = GroupPerformer(body: body, identifiers: identifiers)
            var isDone = false
            for action in steps.decide(facts) {
                switch action {
                case .begin(let item, let work):
                    if let problem = try await performer.begin(item, work, in: &change) {
                        try await GroupStore(change.transaction).settle(
                            item.project, of: body.id, steps.refused(item, problem))
                    }
                case .settle(let project, let verdict):
                    try await GroupStore(change.transaction).settle(
                        project, of: body.id, verdict)
                case .look(let key, let host): try await performer.look(key, host, in: &change)
                case .cancel(let operation): outcome.cancels.append(operation)
                case .wait(let sentence, let milliseconds):
                    wait = (sentence, milliseconds)
                    isDone = true
                case .succeed, .fail, .cancelGroup:
                    try await save(wrap(steps), body, facts, in: change.transaction)
                    try await OperationCompletion.conclude(
                        body, epoch: claimed.epoch, try ending(action), in: &change)
                    return outcome
                }
            }
            if isDone {
                try await save(wrap(steps), body, facts, in: change.transaction)
                break turns
            }
        }
        try await park(body, wait, in: &change)
        return outcome
    }

    private func ending(_ action: GroupAction) throws -> OperationEnding {
        switch action {
        case .succeed(let result): .succeeded(try JSON.value(result))
        case .fail(let failure): .failed(failure)
        case .cancelGroup, .begin, .settle, .look, .cancel, .wait: .canceled(isConfirmed: true)
        }
    }

    private func facts(
        of body: OperationBody, in transaction: PostgresTransaction
    ) async throws -> GroupFacts {
        let store = GroupStore(transaction)
        if let host = body.drainedHost {
            try await store.include(placedOn: host, in: body.id)
        }
        var facts = GroupFacts(now: try await WorkflowFactsReader(transaction).now())
        facts.isCancelRequested = try await OperationBodyReader(transaction).isCanceled(body.id)
        facts.counts = try await store.counts(of: body.id)
        facts.atWork = try await store.atWork(of: body.id)
        facts.due = try await store.due(of: body.id, limit: GroupLimits.parallel)
        facts.nextDue = try await store.nextDue(of: body.id)
        facts.blocked = try await store.blocked(of: body.id)
        return facts
    }

    private func save(
        _ workflow: Workflow, _ body: OperationBody, _ facts: GroupFacts,
        in transaction: PostgresTransaction
    ) async throws {
        try await WorkflowStore(transaction).save(
            WorkflowStore.Document(phase: workflow.phase, workflow: workflow, isCommitted: false),
            of: body.id)
        try await ProgressStore(transaction).note(
            Progress(
                time: facts.now, phase: workflow.phase, phaseIndex: 1, phaseCount: 1,
                done: facts.counts.ended, total: facts.counts.total,
                message: facts.sentence, level: facts.counts.failed > 0 ? .warning : .info),
            of: body.id)
    }

    private func park(
        _ body: OperationBody, _ wait: (sentence: String, milliseconds: Int64),
        in change: inout Change
    ) async throws {
        let transitions = OperationTransitions(change.transaction)
        guard let lease = try await transitions.leaveRun(body.id, epoch: claimed.epoch) else {
            throw HubError(.database, "the lease of \(body.id) is gone although it is locked")
        }
        try await transitions.keep(
            lease, of: body.id, ending: "waiting: \(WaitingReason.children.rawValue)")
        try await transitions.park(
            body.id, lease.tries.uncounted, reason: .children, sentence: wait.sentence,
            wakeAfterMilliseconds: wait.milliseconds)
    }
}
