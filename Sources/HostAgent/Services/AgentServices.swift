import Platform
import Shared

/// Opens the session with the hub, however long that takes, then runs everything that needs one;
/// what the host sees meanwhile waits in the outbox.
struct AgentServices: Service {
    let host: Work.Host
    let configuration: AgentConfiguration
    let identity: Identity

    func run() async throws {
        let session = try await openSession()
        let running = RunningOperations(changed: Bell())
        let host = host
        let leftovers = LeftoverService(host: host, running: running)
        let services: [any Service] = [
            SessionService(
                hub: host.hub, directory: host.directory, ledger: host.ledger, session: session,
                outbox: host.ledger.outbox, logger: host.logger,
                tellEverything: { try await host.observer.reportInventory() }),
            HeartbeatService(
                hub: host.hub, session: session, running: running, ledger: host.ledger,
                leftovers: leftovers, logger: host.logger, status: { await host.status() }),
            leftovers,
            OutboxSender(
                hub: host.hub, ledger: host.ledger, session: session, identity: identity,
                logger: host.logger),
            LeaseLoop(
                hub: host.hub, session: session, running: running,
                runner: OperationRunner(host: host), limit: configuration.operationLimit,
                logger: host.logger),
        ]
        try await withThrowingTaskGroup { group in
            for service in services { group.addTask { try await service.run() } }
            // The first that ends, which only a failure or a cancellation does, ends all.
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private func openSession() async throws -> SessionState {
        var backoff = ServiceBackoff()
        let id = SessionID.make()
        while true {
            do {
                let answer = try await SessionService.open(
                    id, knowing: nil, hub: host.hub, directory: host.directory,
                    ledger: host.ledger, logger: host.logger,
                    tellEverything: { try await host.observer.reportInventory() })
                host.logger.info("The hub has opened a session.")
                return SessionState(id: id, answer: answer)
            } catch let error as AgentError
                where error.code == .unreachable || error.code == .refused
            {
                if !backoff.isFailing {
                    host.logger.warning(
                        "The hub does not open a session yet.",
                        ["error": .init(describing: error)])
                }
                try await ContinuousClock().sleep(for: backoff.failed())
            }
        }
    }
}
