import Postgres

/// Folds the differences that changes leave into the totals by host.
struct FleetNumberStore: Sendable {
    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    /// Folds at most `limit` differences; hubs that do so at once take different ones.
    ///
    /// - Returns: how many there were.
    func fold(limit: Int) async throws -> Int {
        // 1.
        let result = try await transaction.query(
            """
            WITH folded AS (
                DELETE FROM fleet_changes WHERE id IN (
                    SELECT id FROM fleet_changes ORDER BY id LIMIT \(limit)
                    FOR UPDATE SKIP LOCKED)
                RETURNING *),
            added AS (
                INSERT INTO fleet_totals AS t (host, total, provisioned, provisioned_unknown,
                    running, fresh, dirty, freshness_unknown, never)
                SELECT host, sum(total), sum(provisioned), sum(provisioned_unknown), sum(running),
                    sum(fresh), sum(dirty), sum(freshness_unknown), sum(never)
                FROM folded GROUP BY host ORDER BY host
                ON CONFLICT (host) DO UPDATE SET total = t.total + excluded.total,
                    provisioned = t.provisioned + excluded.provisioned,
                    provisioned_unknown = t.provisioned_unknown + excluded.provisioned_unknown,
                    running = t.running + excluded.running, fresh = t.fresh + excluded.fresh,
                    dirty = t.dirty + excluded.dirty,
                    freshness_unknown = t.freshness_unknown + excluded.freshness_unknown,
                    never = t.never + excluded.never)
            SELECT count(*) AS count FROM folded
            """)
        return try result.one().decode("count")
    }
}
