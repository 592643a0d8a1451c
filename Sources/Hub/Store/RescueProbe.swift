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
                    JOIN operations o ON o.id = r.operation
                    WHERE s.ended_at IS NOT NULL OR s.lease_until < clock_timestamp()
                        OR r.progress_at + o.no_progress_limit < clock_timestamp())
                OR EXISTS (SELECT FROM operation_live l JOIN operations o ON o.id = l.operation
                    WHERE o.expires_at < clock_timestamp())
                OR EXISTS (SELECT FROM copies c WHERE c.expires_at < clock_timestamp()
                    AND (c.state = 'pending' OR c.state = 'failed'
                        AND EXISTS (SELECT FROM pins p WHERE p.holder = c.id))) AS is_needed
            """)
        return try result.one().decode("is_needed")
    }
}
