import Platform
import Shared

/// Cleans up after operations that were interrupted here and have ended without this host: canceled,
/// given up, or done under a later lease elsewhere.
///
/// Only the hub knows which: every heartbeat asks, and what it names is cleaned up beside.
struct LeftoverService: Service {
    /// The most operations that one heartbeat asks about.
    private static let limit = 1000

    let host: Work.Host
    let running: RunningOperations
    private let ended = Locked<Set<OperationID>>([])
    private let bell = Bell()

    init(host: Work.Host, running: RunningOperations) {
        self.host = host
        self.running = running
    }

    /// The operations that a heartbeat asks about; nil when there are none.
    func interrupted() async throws -> [OperationID]? {
        let open = try await host.ledger.openOperations(limit: Self.limit).map(\.0)
            .filter { !running.contains($0) }
        return open.isEmpty ? nil : open
    }

    /// Notes which of them have ended.
    func note(ended operations: [OperationID]) {
        guard !operations.isEmpty else { return }
        ended.withLock { $0.formUnion(operations) }
        bell.ring()
    }

    func run() async throws {
        while true {
            try await bell.wait(upTo: .seconds(3600))
            let due = ended.withLock { ended in
                defer { ended = [] }
                return ended
            }
            guard !due.isEmpty else { continue }
            let open = try await host.ledger.openOperations(limit: Self.limit)
            for (operation, project) in open where due.contains(operation) {
                // Work that has not heard yet stops by its lease; a later heartbeat asks again.
                if running.contains(operation) { continue }
                await cleanUp(operation, project)
            }
        }
    }

    private func cleanUp(_ operation: OperationID, _ project: ProjectID?) async {
        do {
            if let project {
                try await host.gate.alone(project) {
                    try await StagingCleanup(host: host).remove(operation, of: project)
                }
            }
            try await host.ledger.settle(operation)
            host.logger.info(
                "An operation has ended elsewhere; nothing of it is left here.",
                ["operation": .init(describing: operation)])
        } catch {
            // The next heartbeat asks again, and tells again.
            host.logger.warning(
                "What an operation left cannot be removed yet.",
                ["operation": .init(describing: operation), "error": .init(describing: error)])
        }
    }
}
