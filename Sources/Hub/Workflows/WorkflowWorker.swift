import Platform
import Postgres
import Shared

/// One hub's work on its own operations, piece by piece: claims, steps and heartbeats of a session.
///
/// It decides nothing about when; `WorkflowRunner` calls it again and again.
struct WorkflowWorker: Sendable {
    private let changes: ChangeRunner
    private let settings: OperationSettings
    private let identifiers: Identifiers
    private let hasPath: WorkflowRunner.PathLookup
    private let log: Logger
    private let rescue: OperationRescue

    init(
        _ changes: ChangeRunner, settings: OperationSettings, identifiers: Identifiers,
        log: Logger, hasPath: @escaping WorkflowRunner.PathLookup
    ) {
        self.changes = changes
        self.settings = settings
        self.identifiers = identifiers
        self.log = log
        self.hasPath = hasPath
        rescue = OperationRescue(changes, settings: settings, log: log)
    }

    /// How often a session sends a heartbeat.
    var interval: Duration { min(settings.heartbeat, settings.lease / 3) }

    /// Opens a session; again is harmless.
    func open(_ session: SessionID) async throws {
        try await changes.run { change in
            try await SlotStore(change.transaction).fill("moves", count: settings.moves)
            _ = try await SessionStore(change.transaction).open(
                session, host: nil, name: "hub", leaseMilliseconds: settings.lease.milliseconds)
        }
    }

    /// Renews the session's lease, names what it works on, and takes back what it does not.
    ///
    /// - Throws: `Problem` `session-ended` when the session's lease ran out.
    func beat(_ session: SessionID, held leases: [HeldLease]) async throws {
        let stale = try await changes.run { change -> [OperationRescueStore.Stale]? in
            let store = SessionStore(change.transaction)
            let isOpen = try await store.renew(
                session, host: nil, leaseMilliseconds: settings.lease.milliseconds)
            guard isOpen else { return nil }
            try await store.list(leases, session: session)
            return try await OperationRescueStore(change.transaction).unlisted(
                session: session, milliseconds: interval.milliseconds)
        }
        guard let stale else { throw OperationProblem.sessionEnded }
        for lease in stale {
            try await rescue.takeBack(lease, unlistedMilliseconds: interval.milliseconds)
        }
    }

    /// Takes ready work.
    ///
    /// - Parameters:
    ///   - limit: how many at most.
    ///   - floors: the session's own.
    /// - Throws: `Problem` `session-ended`.
    func claim(
        _ session: SessionID, limit: Int, _ floors: ClaimFloors
    ) async throws -> [ClaimedOperation] {
        try await changes.run { change in
            guard
                try await SessionStore(change.transaction).lock(session, host: nil, request: nil)
                    != nil
            else { throw OperationProblem.sessionEnded }
            return try await floors.claim(
                lane: OperationBell.hub, limit: limit, session: session, owner: "hub",
                in: change.transaction)
        }
    }

    /// Works on one operation; whatever goes wrong is tried again later.
    func step(_ operation: ClaimedOperation) async {
        do {
            let step = WorkflowStep(
                claimed: operation, identifiers: identifiers, copyLifetime: settings.copyLifetime,
                answer: try await answer(for: operation))
            let isOurs = try await changes.run { try await step.run(in: &$0) }
            if !isOurs {
                log.info("a workflow's lease was lost", ["operation": "\(operation.id)"])
            }
        } catch is CancellationError {
            return
        } catch {
            log.warning(
                "a workflow's step failed",
                ["operation": "\(operation.id)", "error": LogValue(describing: error)])
            await giveBack(operation, because: error)
        }
    }

    /// Looks into the repository where the workflow asks; outside of any transaction.
    private func answer(
        for operation: ClaimedOperation
    ) async throws -> (question: PathQuestion, hasPath: Bool)? {
        let stored = try await changes.pool.withTransaction { transaction in
            try await WorkflowStore(transaction).load(operation.id)
        }
        guard let question = stored?.workflow.pathQuestion else { return nil }
        return (question, try await hasPath(question.backup, question.path))
    }

    /// Lets a workflow whose step failed wait for another try.
    ///
    /// Where even that fails the heartbeat does not list it any more, and its lease is taken back.
    private func giveBack(_ operation: ClaimedOperation, because error: any Error) async {
        let failure = Failure(
            code: "hub-trouble", message: "the hub could not go on: \(error)", class: .retryable)
        do {
            try await changes.run { change in
                try await OperationStore(change.transaction).lockTrees([operation.root])
                guard
                    let body = try await OperationBodyReader(change.transaction).fenced(
                        operation.id, epoch: operation.epoch, host: nil)
                else { return }
                try await OperationCompletion.giveBack(
                    body, epoch: operation.epoch, failure, in: &change)
            }
        } catch {
            log.warning(
                "a workflow could not be given back",
                ["operation": "\(operation.id)", "error": LogValue(describing: error)])
        }
    }
}
