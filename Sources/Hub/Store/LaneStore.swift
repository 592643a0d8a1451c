import Postgres

/// Looks lanes up, one statement without a transaction.
struct LaneStore: Sendable {
    let pool: PostgresPool

    /// The lanes that have ready work.
    func ready(among lanes: [String]) async throws -> [String] {
        // 1.
        let result = try await pool.query(
            """
            SELECT l.lane FROM unnest(\(lanes)::text[]) AS l (lane)
            WHERE EXISTS (SELECT FROM operation_ready r WHERE r.lane = l.lane)
            """)
        return try result.rows.map { try $0.decode("lane") }
    }
}
