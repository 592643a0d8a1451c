import Platform
import Postgres
import Shared

/// Works on the hub's own operations, several at once.
///
/// It never waits in memory: what has to wait is parked, and any hub goes on with it.
struct WorkflowRunner: Service {
    /// Whether a backup holds a path; reads the repository.
    typealias PathLookup = @Sendable (BackupReference, ProjectPath) async throws -> Bool

    /// Does a chore in the repository of a project, and says how far it is.
    typealias ChoreWork =
        @Sendable (
            RepositoryChore, ProjectID, @escaping @Sendable (Int64, Int64) -> Void
        ) async throws -> ChoreOutcome

    /// Of a hub without buckets.
    static let noChores: ChoreWork = { chore, _, _ in
        .refused(Failure(code: "no-bucket", message: "this hub cannot \(chore.phase)"))
    }

    private let changes: ChangeRunner
    private let settings: OperationSettings
    private let identifiers: Identifiers
    private let worker: WorkflowWorker
    private let log: Logger
    /// The leases that this process works on now.
    private let held = Locked<[OperationID: Int64]>([:])

    init(
        _ changes: ChangeRunner, settings: OperationSettings, identifiers: Identifiers,
        log: Logger, hasPath: @escaping PathLookup, chores: @escaping ChoreWork = noChores
    ) {
        self.changes = changes
        self.settings = settings
        self.identifiers = identifiers
        self.log = log
        worker = WorkflowWorker(
            changes, settings: settings, identifiers: identifiers, log: log, hasPath: hasPath,
            chores: chores)
    }

    /// Opens one session after another; a session ends only when its lease could not be renewed for
    /// two thirds of it, and with it all that is worked on: what the hub does in a bucket must not go
    /// on when another hub may do the same.
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
        let fence = Locked(LeaseFence(renewedAt: .now, lease: settings.lease))
        try await worker.open(session)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await beat(session, fence) }
            group.addTask { try await claim(session) }
            group.addTask { try await watch(fence) }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    // MARK: The heartbeat

    private func beat(_ session: SessionID, _ fence: Locked<LeaseFence>) async throws {
        while true {
            try await Task.sleep(for: worker.interval)
            let leases = held.withLock { held in
                held.map { HeldLease(operation: $0.key, epoch: $0.value) }
            }
            let sentAt = ContinuousClock.now
            do {
                try await worker.beat(session, held: leases)
                fence.withLock { $0.renew(sentAt: sentAt) }
            } catch let error as PostgresError {
                log.warning(
                    "the hub's heartbeat failed", ["error": LogValue(describing: error)])
            }
        }
    }

    /// Ends the session when its lease may be gone, whatever the others wait for.
    private func watch(_ fence: Locked<LeaseFence>) async throws {
        while true {
            let stopsAt = fence.withLock { $0.stopsAt }
            try await ContinuousClock().sleep(until: stopsAt)
            if fence.withLock({ $0.mustStop(at: .now) }) {
                throw HubError(
                    .database, "the lease of the hub's session could not be renewed in time")
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
                let claimed = free > 0 ? try await take(session, limit: free, floors) : []
                for operation in claimed {
                    held.withLock { $0[operation.id] = operation.epoch }
                    group.addTask {
                        await worker.step(operation)
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
                        OperationBell.hub, after: ticket,
                        atMost: changes.bell.patience(settings.poll))
                }
            }
        }
    }

    /// Takes ready work; none while the database cannot be reached.
    ///
    /// What was given out in an answer that was lost is not listed, and so taken back.
    private func take(
        _ session: SessionID, limit: Int, _ floors: ClaimFloors
    ) async throws -> [ClaimedOperation] {
        do {
            return try await worker.claim(session, limit: limit, floors)
        } catch let error as PostgresError {
            log.debug("no work can be claimed", ["error": LogValue(describing: error)])
            return []
        }
    }
}
