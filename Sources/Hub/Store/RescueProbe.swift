import Postgres

/// Whether a sweep would find anything: one statement without a transaction, because mostly it would
/// not.
struct RescueProbe: Sendable {
    let pool: PostgresPool

    func isNeeded() async throws -> Bool {
        // 1.
        let result = try await pool.query(
            """
            SELECT EXISTS (SELECT FROM operation_delayed WHERE due_at <= clock_timestamp())
                OR EXISTS (SELECT FROM operation_waiting WHERE wake_at <= clock_timestamp())
                OR EXISTS (SELECT FROM operation_run r JOIN sessions s ON s.id = r.session
                    JOIN operation_live o ON o.operation = r.operation
                    WHERE \(fragment: OperationRescueStore.isOver)
                        OR \(fragment: OperationRescueStore.isSilent))
                OR EXISTS (SELECT FROM operation_live l
                    WHERE l.expires_at < clock_timestamp())
                OR EXISTS (SELECT FROM copies c WHERE c.expires_at < clock_timestamp()
                    AND (c.state = 'pending' OR c.state = 'failed'
                        AND EXISTS (SELECT FROM pins p WHERE p.holder = c.id))) AS is_needed
            """)
        return try result.one().decode("is_needed")
    }
}
