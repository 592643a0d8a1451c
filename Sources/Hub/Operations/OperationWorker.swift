import Platform
import Postgres
import Shared

/// Works on the operations of one lane: claims them in batches, does them side by side, and writes
/// their ends down in batches.
struct OperationWorker: Service {
    struct Options: Sendable {
        /// Whose operations: `hub`, or a host's UUID.
        var lane = OperationBell.hub
        /// How many are claimed at once at most, 1 to 500; default 10.
        var batch = 10
        /// How many batches are worked on at once, each with a connection of its own; default 4.
        var batches = 4
        /// How many ends are written at once at most; default 100.
        var completions = 100
        /// How long an end waits for others at most; default 5 ms.
        var patience: Duration = .milliseconds(5)
    }

    /// Does one operation, and says how it ended.
    typealias Work = @Sendable (ClaimedOperation) async throws -> OperationEnding

    private let changes: ChangeRunner
    private let settings: OperationSettings
    private let options: Options
    private let holder: LeaseHolder
    private let log: Logger
    private let work: Work

    init(
        _ changes: ChangeRunner, settings: OperationSettings, identifiers: Identifiers,
        options: Options, log: Logger, work: @escaping Work
    ) {
        self.changes = changes
        self.settings = settings
        self.options = options
        self.log = log
        self.work = work
        let session = WorkerSession(
            changes, settings: settings,
            rescue: OperationRescue(changes, settings: settings, log: log))
        holder = LeaseHolder(
            interval: session.interval, lease: settings.lease, identifiers: identifiers,
            log: log, open: { try await session.open($0) },
            beat: { try await session.beat($0, held: $1) })
    }

    func run() async throws {
        try await holder.run { session in
            let batcher = CompletionBatcher(
                limit: options.completions, patience: options.patience, log: log
            ) { try await write($0) }
            let turns = LaneTurns(lane: options.lane, pause: settings.turnPause)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await batcher.run() }
                for _ in 0..<options.batches {
                    group.addTask { try await loop(session, turns, batcher) }
                }
                defer { group.cancelAll() }
                try await group.next()
            }
        }
    }

    private func loop(
        _ session: SessionID, _ turns: LaneTurns, _ batcher: CompletionBatcher
    ) async throws {
        while true {
            let ticket = changes.bell.ticket(options.lane)
            let claimed = try await take(session, turns)
            guard !claimed.isEmpty else {
                try await changes.bell.wait(
                    options.lane, after: ticket, atMost: settings.poll)
                continue
            }
            holder.leases.take(claimed)
            if claimed.count == 1 {
                try await handle(claimed[0], batcher)
                continue
            }
            try await withThrowingDiscardingTaskGroup { group in
                for operation in claimed {
                    group.addTask { try await handle(operation, batcher) }
                }
            }
        }
    }

    /// Takes ready work; none while the database cannot be reached.
    ///
    /// What was given out in an answer that was lost is not listed, and so taken back.
    private func take(
        _ session: SessionID, _ turns: LaneTurns
    ) async throws -> [ClaimedOperation] {
        do {
            return try await turns.claim(
                limit: options.batch, holder: OperationClaim.Holder(session: session),
                in: changes.pool)
        } catch let error as PostgresError {
            log.debug("no work can be claimed", ["error": LogValue(describing: error)])
            return []
        }
    }

    private func handle(
        _ operation: ClaimedOperation, _ batcher: CompletionBatcher
    ) async throws {
        let ending: OperationEnding
        do {
            ending = try await work(operation)
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            ending = .failed(
                Failure(code: "worker-trouble", message: "\(error)", class: .retryable))
        }
        switch ending {
        case .succeeded, .canceled:
            try await batcher.add(
                FinishedOperation(
                    id: operation.id, epoch: operation.epoch, ending: ending,
                    isAlone: operation.root == operation.id),
                held: holder.leases.count)
        case .failed, .expired:
            try await fail(operation, ending)
            holder.leases.drop(operation.id, epoch: operation.epoch)
        }
    }

    private func write(_ finished: [FinishedOperation]) async throws {
        // One statement, and so one transaction.
        let outcome = try await OperationFinish(changes.pool).finish(finished, host: nil)
        for operation in finished { holder.leases.drop(operation.id, epoch: operation.epoch) }
        changes.bell.ring(outcome.lanes)
        let lost = finished.count - outcome.ended.count
        if lost > 0 {
            log.info("leases were lost before their end", ["count": "\(lost)"])
        }
    }

    /// A failure is tried again or not: that is decided operation by operation.
    private func fail(_ operation: ClaimedOperation, _ ending: OperationEnding) async throws {
        try await changes.run { change in
            try await OperationStore(change.transaction).lockTrees([operation.root])
            guard
                let body = try await OperationBodyReader(change.transaction).fenced(
                    operation.id, epoch: operation.epoch, host: nil)
            else { return }
            _ = try await OperationCompletion.finish(
                body, epoch: operation.epoch, ending, in: &change)
        }
    }
}
