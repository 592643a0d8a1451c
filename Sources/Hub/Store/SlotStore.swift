import Postgres
import Shared

/// Exact limits: a row a place.
struct SlotStore: Sendable {
    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    /// Gives a resource `count` places.
    ///
    /// Fewer than before never takes a place from its holder: it goes when it is free at a later
    /// call.
    func fill(_ resource: String, count: Int) async throws {
        // 1.
        try await transaction.query(
            """
            INSERT INTO slots (resource, number)
            SELECT \(resource)::text, n FROM generate_series(1, \(count)) AS n
            ON CONFLICT DO NOTHING
            """)
        // 2.
        try await transaction.query(
            """
            DELETE FROM slots
            WHERE resource = \(resource) AND number > \(count) AND operation IS NULL
            """)
    }
}
