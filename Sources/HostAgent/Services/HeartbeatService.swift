import Platform
import Shared

/// Renews the leases of everything that runs here, brings cancellations, and stops what it cannot
/// renew in time (D7).
struct HeartbeatService: Service {
    let hub: HubClient
    let session: SessionState
    let running: RunningOperations
    let status: @Sendable () async -> HostStatus
    let leftovers: LeftoverService
    let logger: Logger
    private let clock = ContinuousClock()
    /// How often progress is told at most.
    private static let progressInterval = Duration.seconds(2)
    private var backoffCap: Duration { min(session.interval / 2, .seconds(1)) }

    init(
        hub: HubClient, session: SessionState, running: RunningOperations,
        leftovers: LeftoverService, logger: Logger,
        status: @escaping @Sendable () async -> HostStatus
    ) {
        self.hub = hub
        self.session = session
        self.running = running
        self.leftovers = leftovers
        self.logger = logger
        self.status = status
    }

    func run() async throws {
        var backoff = ServiceBackoff(base: .milliseconds(100), cap: backoffCap)
        while true {
            let wait: Duration
            do {
                try await beat()
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
    private func beat() async throws {
        let held = running.held()
        let status = await status()
        let interrupted = try await leftovers.interrupted()
        let sentAt = clock.now
        let untilExpiry = running.nextExpiry.map { clock.now.duration(to: $0) } ?? session.interval
        let deadline = max(.milliseconds(200), min(session.interval, untilExpiry))
        let answer = try await hub.heartbeat(
            HeartbeatRequest(
                session: session.id, held: held, interrupted: interrupted, status: status),
            deadline: deadline)
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
