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
    private let worker: WorkflowWorker
    private let log: Logger
    private let holder: LeaseHolder

    init(
        _ changes: ChangeRunner, settings: OperationSettings, identifiers: Identifiers,
        log: Logger, hasPath: @escaping PathLookup, chores: @escaping ChoreWork = noChores
    ) {
        self.changes = changes
        self.settings = settings
        self.log = log
        worker = WorkflowWorker(
            changes, settings: settings, identifiers: identifiers, log: log, hasPath: hasPath,
            chores: chores)
        holder = LeaseHolder(
            interval: worker.interval, lease: settings.lease, identifiers: identifiers,
            log: log, open: { [worker] in try await worker.open($0) },
            beat: { [worker] in try await worker.beat($0, held: $1) })
    }

    func run() async throws {
        try await holder.run { try await claim($0) }
    }

    // MARK: The work

    private func claim(_ session: SessionID) async throws {
        let turns = LaneTurns(lane: OperationBell.hub, pause: settings.turnPause)
        try await withThrowingDiscardingTaskGroup { group in
            while true {
                let ticket = changes.bell.ticket(OperationBell.hub)
                let free = settings.workers - holder.leases.count
                let claimed = free > 0 ? try await take(session, limit: free, turns) : []
                holder.leases.take(claimed)
                for operation in claimed {
                    group.addTask {
                        await worker.step(operation)
                        holder.leases.drop(operation.id, epoch: operation.epoch)
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
        _ session: SessionID, limit: Int, _ turns: LaneTurns
    ) async throws -> [ClaimedOperation] {
        do {
            return try await worker.claim(session, limit: limit, turns)
        } catch let error as PostgresError {
            log.debug("no work can be claimed", ["error": LogValue(describing: error)])
            return []
        }
    }
}
