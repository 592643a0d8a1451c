import Postgres

/// Whether there is anything to fold: one statement without a transaction.
struct FleetChangesStore: Sendable {
    let pool: PostgresPool

    func isAny() async throws -> Bool {
        // 1.
        try await pool.query("SELECT EXISTS (SELECT FROM fleet_changes) AS is_any").one()
            .decode("is_any")
    }
}
