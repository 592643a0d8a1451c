import Platform
import Shared

/// Opens the session, and opens it again when the hub has forgotten it, such as after its database
/// was restored.
struct SessionService: Service {
    let hub: HubClient
    let directory: DataDirectory
    let ledger: Ledger
    let session: SessionState
    let outbox: Bell
    let logger: Logger
    /// Puts all that is on the host into the outbox.
    let tellEverything: @Sendable () async throws -> Void

    func run() async throws {
        while true {
            try await session.reopen.wait(upTo: .seconds(3600))
            do {
                let answer = try await Self.open(
                    session.id, knowing: session.logHead, hub: hub, directory: directory,
                    ledger: ledger, logger: logger, tellEverything: tellEverything)
                session.terms = answer
                session.learn(answer.logHead)
                outbox.ring()
            } catch let error as AgentError {
                if (error.cause as? Problem)?.code == "session-ended" { session.renew() }
                logger.warning(
                    "The session cannot be opened again.", ["error": .init(describing: error)])
                try await ContinuousClock().sleep(for: .seconds(1))
                session.reopen.ring()
            }
        }
    }

    /// Opens a session under the hub's terms.
    ///
    /// - Parameter head: the newest entry of the hub's log that was told here; nil in a run's first
    ///   session, which goes by what the ledger keeps.
    /// - Throws: `AgentError` with code `ledger` when the hub has applied reports that this ledger
    ///   never made: it went back in time, or is a copy of another (D8).
    static func open(
        _ id: SessionID, knowing head: LogHead?, hub: HubClient, directory: DataDirectory,
        ledger: Ledger, logger: Logger, tellEverything: () async throws -> Void
    ) async throws -> OpenSessionAnswer {
        var identity = try Identity.read(directory)
        let kept = try await ledger.logHead()
        let answer = try await hub.openSession(
            OpenSessionRequest(
                session: id, ledger: identity.ledger, agentVersion: AgentVersion.text,
                timeline: identity.timeline, highestEpoch: try await ledger.highestEpoch(),
                acknowledgedReport: try await ledger.acknowledgedReport(),
                logHead: head ?? kept))
        let last = try await ledger.lastSequence()
        guard OutboxRules.isWhole(applied: answer.appliedReport, last: last) else {
            throw AgentError(
                .ledger,
                "the hub has applied report \(answer.appliedReport) of this ledger, whose last is "
                    + "\(last): the ledger went back in time or was copied; join this host anew")
        }
        try await ledger.acknowledge(upTo: answer.appliedReport)
        if answer.timeline != identity.timeline {
            logger.warning(
                "The hub's database has a new history; everything here is kept and reported.",
                ["timeline": .init(describing: answer.timeline)])
            try await ledger.forgetAbsentVolumes()
            // Only then is the new history known here: a failure before it is made good by the next
            // session.
            try await tellEverything()
            identity.timeline = answer.timeline
            try identity.write(directory)
        }
        if let head = answer.logHead { try await ledger.remember(head) }
        return answer
    }
}
