import Platform
import Postgres
import Shared

/// Works on the hub's own operations, several at once.
///
/// It never waits in memory: what has to wait is parked, and any hub goes on with it.
struct WorkflowRunner: Service {
    /// Whether a backup holds a path; reads the repository.
    typealias PathLookup = @Sendable (BackupReference, ProjectPath) async throws -> Bool

    private let changes: ChangeRunner
    private let settings: OperationSettings
    private let identifiers: Identifiers
    private let hasPath: PathLookup
    private let log: Logger
    /// The leases that this process works on now.
    private let held = Locked<[OperationID: Int64]>([:])

    init(
        _ changes: ChangeRunner, settings: OperationSettings, identifiers: Identifiers,
        log: Logger, hasPath: @escaping PathLookup
    ) {
        self.changes = changes
        self.settings = settings
        self.identifiers = identifiers
        self.log = log
        self.hasPath = hasPath
    }

    /// Opens one session after another; a session ends only when the database could not be
    /// reached for the length of a lease.
    func run() async throws {
        var random = Random()
        var failures = 0
        let backoff = Backoff(base: .milliseconds(100), cap: .seconds(5))
        while !Task.isCancelled {
            do {
                try await work(identifiers.make(SessionIdentity.self))
                failures = 0
            } catch is CancellationError {
                return
            } catch {
                failures += 1
                log.warning(
                    "the workflow runner lost its session", ["error": LogValue(describing: error)])
            }
            try await Task.sleep(
                for: backoff.delay(afterAttempt: max(1, failures), using: &random))
        }
    }

    private func work(_ session: SessionID) async throws {
        try await changes.run { change in
            try await SlotStore(change.transaction).fill("moves", count: settings.moves)
            _ = try await SessionStore(change.transaction).open(
                session, host: nil, name: "hub", leaseMilliseconds: settings.lease.milliseconds)
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await beat(session) }
            group.addTask { try await claim(session) }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    // MARK: The heartbeat

    private func beat(_ session: SessionID) async throws {
        let rescue = OperationRescue(changes, settings: settings, log: log)
        let interval = min(settings.heartbeat, settings.lease / 3)
        while true {
            try await Task.sleep(for: interval)
            let leases = held.withLock { held in
                held.map { HeldLease(operation: $0.key, epoch: $0.value) }
            }
            let stale = try await withDeadline(settings.lease, "the hub's heartbeat") {
                try await changes.run { change -> [OperationRescueStore.Stale]? in
                    let store = SessionStore(change.transaction)
                    let isOpen = try await store.renew(
                        session, host: nil, leaseMilliseconds: settings.lease.milliseconds)
                    guard isOpen else { return nil }
                    try await store.list(leases, session: session)
                    return try await OperationRescueStore(change.transaction).unlisted(
                        session: session, milliseconds: interval.milliseconds)
                }
            }
            guard let stale else { throw OperationProblem.sessionEnded }
            for lease in stale {
                try await rescue.takeBack(lease, unlistedMilliseconds: interval.milliseconds)
            }
        }
    }

    // MARK: The work

    private func claim(_ session: SessionID) async throws {
        let floors = ClaimFloors()
        try await withThrowingDiscardingTaskGroup { group in
            while true {
                let ticket = changes.bell.ticket(OperationBell.hub)
                let free = settings.workers - held.withLock { $0.count }
                let claimed =
                    free > 0 ? try await claim(session, limit: free, floors) : []
                for operation in claimed {
                    held.withLock { $0[operation.id] = operation.epoch }
                    group.addTask {
                        await step(operation)
                        held.withLock { held in
                            if held[operation.id] == operation.epoch {
                                held[operation.id] = nil
                            }
                        }
                        changes.bell.wake(OperationBell.hub)
                    }
                }
                if claimed.isEmpty {
                    try await changes.bell.wait(
                        OperationBell.hub, after: ticket, atMost: settings.poll)
                }
            }
        }
    }

    private func claim(
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
    private func step(_ operation: ClaimedOperation) async {
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
