import Postgres
import Shared

/// Reads what changes with everything that happens to operations.
struct OperationMarkStore: Sendable {
    let pool: PostgresPool

    func marks(of operations: [OperationID]) async throws -> [OperationID: String] {
        let names = operations.map(\.uuid)
        // 1.
        let result = try await pool.query(
            """
            SELECT o.id, concat_ws('|', t.state, f.updated_at, r.epoch, w.since, d.due_at,
                c.requested_at,
                (SELECT g.sequence FROM operation_progress_latest g WHERE g.operation = o.id),
                (SELECT max(g.sequence) FROM operations y JOIN operation_progress_latest g
                    ON g.operation = y.id WHERE y.parent = o.id),
                (SELECT string_agg(y.id || x.state, ',' ORDER BY y.id) FROM operations y
                    JOIN operation_live yl ON yl.operation = y.id
                    JOIN operation_states x ON x.operation = y.id WHERE y.parent = o.id)) AS mark
            FROM operations o
            LEFT JOIN operation_states t ON t.operation = o.id
            LEFT JOIN operation_workflow f ON f.operation = o.id
            LEFT JOIN operation_run r ON r.operation = o.id
            LEFT JOIN operation_waiting w ON w.operation = o.id
            LEFT JOIN operation_delayed d ON d.operation = o.id
            LEFT JOIN operation_cancel c ON c.operation = o.id
            WHERE o.id = ANY(\(names)::text[]::uuid[])
            """)
        var marks: [OperationID: String] = [:]
        for row in result.rows { marks[try row.decode("id")] = try row.decode("mark") }
        return marks
    }
}
