import Postgres
import Shared

/// Reads what a drain has to know beside its items.
struct DrainFactsReader: Sendable {
    let transaction: PostgresTransaction
    let body: OperationBody

    func read() async throws -> DrainFacts? {
        let order = try JSON.decode(DrainOrder.self, from: body.input)
        guard let id = body.drainedHost,
            let host = try await WorkflowFactsReader(transaction).host(id)
        else { return nil }
        let store = DrainStore(transaction)
        return DrainFacts(
            host: host, targets: try await store.targets(of: id, among: order.targets),
            incoming: try await store.incoming(id),
            contents: try await store.contents(for: body.id))
    }
}
