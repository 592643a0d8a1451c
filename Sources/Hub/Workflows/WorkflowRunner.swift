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
        try await worker.open(session)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await beat(session) }
            group.addTask { try await claim(session) }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    // MARK: The heartbeat

    private func beat(_ session: SessionID) async throws {
        while true {
            try await Task.sleep(for: worker.interval)
            let leases = held.withLock { held in
                held.map { HeldLease(operation: $0.key, epoch: $0.value) }
            }
            try await withDeadline(settings.lease, "the hub's heartbeat") {
                try await worker.beat(session, held: leases)
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
                    free > 0 ? try await worker.claim(session, limit: free, floors) : []
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
                        OperationBell.hub, after: ticket, atMost: settings.poll)
                }
            }
        }
    }
}
