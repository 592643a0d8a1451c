import Platform
import Shared

/// Renews the leases of everything that runs here, brings cancellations, and stops what it cannot
/// renew in time (D7).
///
/// No heartbeat waits for the ledger or the file system, which may be busy for longer than a lease:
/// what they say is looked at beside, and the last that was seen is sent.
struct HeartbeatService: Service {
    /// What a heartbeat says beside its leases.
    private struct News: Sendable {
        var status: HostStatus
        var interrupted: [OperationID]?
    }

    let hub: HubClient
    let session: SessionState
    let running: RunningOperations
    let status: @Sendable () async -> HostStatus
    let ledger: Ledger
    let leftovers: LeftoverService
    let logger: Logger
    private let clock = ContinuousClock()
    /// How often progress is told at most.
    private static let progressInterval = Duration.seconds(2)
    /// How often what is told of the hub's log is written down.
    private static let keepInterval = Duration.seconds(30)
    private var backoffCap: Duration { min(session.interval / 2, .seconds(1)) }

    init(
        hub: HubClient, session: SessionState, running: RunningOperations,
        ledger: Ledger, leftovers: LeftoverService, logger: Logger,
        status: @escaping @Sendable () async -> HostStatus
    ) {
        self.hub = hub
        self.session = session
        self.running = running
        self.ledger = ledger
        self.leftovers = leftovers
        self.logger = logger
        self.status = status
    }

    func run() async throws {
        let news = Locked(try await look())
        try await withThrowingTaskGroup(of: Void.self) { group in
            // Beside each other, because none may hold up the heartbeats.
            group.addTask {
                while true {
                    try await clock.sleep(for: session.interval / 2)
                    let found = try await look()
                    news.withLock { $0 = found }
                }
            }
            group.addTask { try await beat(news) }
            group.addTask { try await keepLogHead() }
            // The first that ends, which only a failure or a cancellation does, ends all.
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    /// Keeps what is told of the hub's log, not too often: what a run knows it sends anyway.
    private func keepLogHead() async throws {
        var kept = session.logHead
        while true {
            try await clock.sleep(for: Self.keepInterval)
            guard let head = session.logHead, head != kept else { continue }
            try await ledger.remember(head)
            kept = head
        }
    }

    private func look() async throws -> News {
        News(status: await status(), interrupted: try await leftovers.interrupted())
    }

    private func beat(_ news: Locked<News>) async throws {
        var backoff = ServiceBackoff(base: .milliseconds(100), cap: backoffCap)
        while true {
            let wait: Duration
            do {
                try await beat(news.withLock { $0 })
                if backoff.isFailing { logger.info("The hub answers heartbeats again.") }
                backoff.succeeded()
                wait = session.interval
            } catch let error as AgentError {
                if !backoff.isFailing {
                    logger.warning(
                        "A heartbeat failed.", ["error": .init(describing: error)])
                }
                // A session that the hub does not know any more must be opened again.
                if error.code == .refused { session.reopen.ring() }
                wait = backoff.failed()
            }
            try await waitAndExpire(for: wait)
        }
    }

    /// One heartbeat, which must be answered before the first lease would have to stop.
    private func beat(_ news: News) async throws {
        let held = running.held()
        let sentAt = clock.now
        let untilExpiry = running.nextExpiry.map { clock.now.duration(to: $0) } ?? session.interval
        let deadline = max(.milliseconds(200), min(session.interval, untilExpiry))
        let answer = try await hub.heartbeat(
            HeartbeatRequest(
                session: session.id, held: held, interrupted: news.interrupted,
                status: news.status, logHead: session.logHead),
            deadline: deadline)
        session.learn(answer.logHead)
        running.apply(answer, to: held, sentAt: sentAt)
        leftovers.note(ended: answer.ended ?? [])
        if !answer.canceled.isEmpty || !answer.lost.isEmpty {
            logger.info(
                "The hub stops operations.",
                [
                    "canceled": .init(describing: answer.canceled),
                    "lost": .init(describing: answer.lost),
                ])
        }
    }

    /// Waits until the next heartbeat is due, something begins or ends, a lease must stop, or there
    /// is progress to tell.
    private func waitAndExpire(for wait: Duration) async throws {
        let due = clock.now.advanced(by: wait)
        while true {
            var limit = clock.now.duration(to: due)
            if running.count > 0 { limit = min(limit, Self.progressInterval) }
            if let expiry = running.nextExpiry {
                limit = min(limit, clock.now.duration(to: expiry))
            }
            let isRung = try await running.changed.wait(upTo: max(.zero, limit))
            let expired = running.expire(at: clock.now)
            if !expired.isEmpty {
                logger.warning(
                    "Leases could not be renewed in time; the work stops.",
                    ["operations": .init(describing: expired)])
            }
            if isRung || !expired.isEmpty || clock.now >= due || running.hasNewProgress { return }
        }
    }
}
