import Platform
import Shared

/// Sends what the outbox holds, in order, at once when something is added; what the hub has applied
/// is removed, and only that (D8).
struct OutboxSender: Service {
    /// The most reports of one request.
    private static let batchLimit = 1000

    let hub: HubClient
    let ledger: Ledger
    let session: SessionState
    let identity: Identity
    let logger: Logger

    func run() async throws {
        var backoff = ServiceBackoff()
        while true {
            let reports = try await ledger.outboxBatch(limit: Self.batchLimit)
            guard !reports.isEmpty else {
                // The bell wakes at once; the time limit heals a ring that was missed.
                try await ledger.outbox.wait(upTo: .seconds(30))
                continue
            }
            do {
                let answer = try await hub.report(
                    ReportsRequest(
                        session: session.id, ledger: identity.ledger, reports: reports))
                try await acknowledge(answer, reports)
                if backoff.isFailing { logger.info("The hub takes reports again.") }
                backoff.succeeded()
            } catch let error as AgentError where error.code != .ledger {
                if !backoff.isFailing {
                    logger.warning(
                        "Reports cannot be delivered; they wait in the outbox.",
                        ["error": .init(describing: error)])
                }
                // Reports that are not applied although nothing is wrong with them: the hub may have
                // gone back in time, which it finds out when the session is opened.
                if error.code == .refused || error.code == .protocolViolation {
                    session.reopen.ring()
                }
                try await ContinuousClock().sleep(for: backoff.failed())
            }
        }
    }

    private func acknowledge(_ answer: ReportsAnswer, _ reports: [Report]) async throws {
        guard let first = reports.first, let last = reports.last else { return }
        guard
            let through = OutboxRules.acknowledged(
                applied: answer.applied, first: first.sequence, last: last.sequence)
        else {
            throw AgentError(
                .protocolViolation,
                "the hub applied none of the reports \(first.sequence) to \(last.sequence)")
        }
        try await ledger.acknowledge(upTo: through)
    }
}
