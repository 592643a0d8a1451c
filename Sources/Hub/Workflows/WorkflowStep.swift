import Postgres
import Shared

/// One claimed workflow, worked on until it has to wait or ends: all of it is one transaction
/// under the lock of its tree, so that a crash anywhere leaves it as it was before.
struct WorkflowStep: Sendable {
    /// How many events one transaction handles at most.
    private static let eventLimit = 5000

    let claimed: ClaimedOperation
    let identifiers: Identifiers
    let copyLifetime: Duration
    /// What the repository says, looked up before the transaction began.
    var answer: (question: PathQuestion, hasPath: Bool)?
    /// What the hub has done in the repository before the transaction began.
    var chore: ChoreAnswer?

    /// Works on it.
    ///
    /// - Returns: false when its lease was lost.
    /// - Throws: whatever goes wrong; then nothing has happened.
    func run(in change: inout Change) async throws -> Bool {
        let transaction = change.transaction
        try await OperationStore(transaction).lockTrees([claimed.root])
        let bodies = OperationBodyReader(transaction)
        guard
            let body = try await bodies.fenced(claimed.id, epoch: claimed.epoch, host: nil)
        else { return false }
        let stored = try await WorkflowStore(transaction).load(body.id)
        var workflow = try stored?.workflow ?? Workflow(body.kind, input: body.input)
        let isCanceled = try await bodies.isCanceled(body.id)
        var agenda = WorkflowAgenda(hasBegun: stored != nil)
        var wait: WorkflowAction?
        for _ in 0..<Self.eventLimit {
            let children = try await WorkflowStore(transaction).children(of: body.id)
            let isCancelDue = isCanceled && !workflow.isCanceling && !workflow.isCommitted
            guard
                let event = agenda.next(
                    awaited: workflow.awaited, children: children, isCancelDue: isCancelDue)
            else { break }
            let facts = try await facts(of: body, workflow, in: transaction)
            let actions = workflow.handle(event, facts)
            wait = nil
            for action in actions {
                if let ending = ending(action) {
                    try await save(workflow, of: body, in: transaction)
                    try await OperationCompletion.conclude(
                        body, epoch: claimed.epoch, ending, in: &change)
                    return true
                }
                if case .wait = action { wait = action }
                try await WorkflowPerformer(
                    body: body, children: children, identifiers: identifiers
                )
                .perform(action, in: &change)
            }
            agenda.heard(event, hasActed: !actions.isEmpty, waits: wait != nil)
        }
        try await save(workflow, of: body, in: transaction)
        try await park(body, wait, in: &change)
        return true
    }

    private func ending(_ action: WorkflowAction) -> OperationEnding? {
        switch action {
        case .succeed(let result): .succeeded(result)
        case .fail(var failure):
            {
                // A workflow decides itself what is tried again.
                failure.class = .terminal
                return .failed(failure)
            }()
        case .cancel: .canceled(isConfirmed: true)
        case .runChild, .cancelChildren, .cancelChild, .record, .pin, .createCopy, .endCopy,
            .forget, .recordRepaired, .releaseBases, .recordCheck, .releaseGuard, .wait:
            nil
        }
    }

    private func save(
        _ workflow: Workflow, of body: OperationBody, in transaction: PostgresTransaction
    ) async throws {
        try await WorkflowStore(transaction).save(
            WorkflowStore.Document(
                phase: workflow.phase, workflow: workflow, isCommitted: workflow.isCommitted),
            of: body.id)
    }

    /// Gives the lease back: a parked operation has none.
    private func park(
        _ body: OperationBody, _ wait: WorkflowAction?, in change: inout Change
    ) async throws {
        let transitions = OperationTransitions(change.transaction)
        guard let lease = try await transitions.leaveRun(body.id, epoch: claimed.epoch) else {
            throw HubError(.database, "the lease of \(body.id) is gone although it is locked")
        }
        var reason = WaitingReason.children
        if case .wait(let named, _, _) = wait { reason = named }
        try await transitions.keep(
            lease, of: body.id, ending: "waiting: \(reason.rawValue)")
        let tries = lease.tries.uncounted
        guard case .wait(let reason, let sentence, let milliseconds) = wait else {
            // The end of a child wakes it; the minute is for what nobody thought of.
            try await transitions.park(
                body.id, tries, reason: .children, sentence: "waits for its parts",
                wakeAfterMilliseconds: 60_000)
            return
        }
        if milliseconds == 0 {
            change.lanes.insert(try await transitions.makeReady(body.id, tries))
        } else {
            try await transitions.park(
                body.id, tries, reason: reason, sentence: sentence,
                wakeAfterMilliseconds: milliseconds)
        }
    }

    private func facts(
        of body: OperationBody, _ workflow: Workflow, in transaction: PostgresTransaction
    ) async throws -> WorkflowFacts {
        let reader = WorkflowFactsReader(transaction)
        var target: HostID?
        if case .move(let move) = workflow { target = move.order.target }
        guard let id = body.project,
            let project = try await reader.project(id, for: body.root, target: target)
        else { throw RegistryConflict(description: "operation \(body.id) has no project") }
        let now = try await reader.now()
        var facts = WorkflowFacts(
            operation: body.id, now: now, project: project,
            freshBackup: identifiers.make(BackupIdentity.self),
            copyExpiry: Timestamp(milliseconds: now.milliseconds + copyLifetime.milliseconds))
        if let target { facts.target = try await reader.host(target) }
        facts.chore = chore
        switch workflow {
        case .forget: facts.backups = try await BackupReader(transaction).all(of: id)
        case .repair:
            facts.backups = try await BackupReader(transaction).all(of: id)
            facts.freshBackups = facts.backups.map { _ in
                identifiers.make(BackupIdentity.self)
            }
            facts.repositoryUsers = try await RepositoryHealthStore(transaction).users(of: id)
        case .rekey:
            facts.backups = try await BackupReader(transaction).all(of: id)
            facts.freshRepository = identifiers.make(RepositoryIdentity.self)
            facts.repositoryUsers = try await RepositoryHealthStore(transaction).users(of: id)
        case .prune:
            facts.repositoryUsers = try await RepositoryHealthStore(transaction).users(of: id)
        case .start, .stop, .backup, .restore, .move, .copy, .delete, .importTree, .execute, .check,
            .drain, .batch:
            break
        }
        if case .copy(let copy) = workflow {
            facts.copies = try await reader.copies(of: body.id)
            for destination in Set(copy.destinations).sorted() {
                facts.destinations[destination] = try await reader.project(
                    destination, for: body.root, target: nil, isKept: true)
            }
            facts.freshCopies = copy.destinations.map { _ in identifiers.make(CopyIdentity.self) }
            if let answer, answer.question == workflow.pathQuestion {
                facts.hasPath = answer.hasPath
            }
        }
        return facts
    }
}
