import Postgres
import Shared

/// Schedules and when they fire.
struct ScheduleStore: Sendable {
    /// A schedule that is due, locked until the transaction ends.
    struct Due: Sendable {
        var id: ScheduleID
        var name: String
        var definition: ScheduleDefinition
        var slot: Timestamp
        var now: Timestamp
        var lastOperation: OperationID?
    }

    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    /// Takes the schedule that has been due longest and that no other hub fires now.
    func takeDue() async throws -> ScheduleID? {
        // 1. Only the database's clock decides.
        let result = try await transaction.query(
            """
            SELECT s.id FROM schedule_clocks c JOIN schedules s ON s.id = c.schedule
            WHERE c.due_at <= clock_timestamp() AND s.deleted_at IS NULL
            ORDER BY c.due_at LIMIT 1 FOR UPDATE OF c SKIP LOCKED
            """)
        return try result.first?.decode("id")
    }

    /// A schedule that was taken.
    func due(_ schedule: ScheduleID) async throws -> Due {
        // 8.
        let row = try await transaction.query(
            """
            SELECT s.id, s.name, s.definition, c.slot, c.last_operation,
                date_trunc('milliseconds', clock_timestamp()) AS now
            FROM schedule_clocks c JOIN schedules s ON s.id = c.schedule
            WHERE s.id = \(schedule)
            """
        ).one()
        return Due(
            id: try row.decode("id"), name: try row.decode("name"),
            definition: try row.decode(
                "definition", as: JSONColumn<ScheduleDefinition>.self
            ).value, slot: try row.decode("slot"), now: try row.decode("now"),
            lastOperation: try row.decode("last_operation"))
    }

    /// Lets a schedule that is due be due later, with its slot as it is.
    func postpone(_ schedule: ScheduleID, seconds: Int64, problem: String) async throws {
        // 9.
        try await transaction.query(
            """
            UPDATE schedule_clocks SET last_problem = \(problem),
                due_at = clock_timestamp() + \(seconds) * interval '1 second'
            WHERE schedule = \(schedule) AND due_at <= clock_timestamp()
            """)
    }

    /// Sets when a schedule fires next; nil while it is paused.
    func set(
        _ schedule: ScheduleID, slot: Timestamp?, due: Timestamp?
    ) async throws {
        // 2.
        try await transaction.query(
            """
            INSERT INTO schedule_clocks (schedule, slot, due_at)
            VALUES (\(schedule), \(slot)::timestamptz, \(due)::timestamptz)
            ON CONFLICT (schedule) DO UPDATE SET slot = excluded.slot, due_at = excluded.due_at
            """)
    }

    /// Notes that a schedule fired, and what came of it.
    func fired(
        _ schedule: ScheduleID, operation: OperationID?, problem: String?, missed: Int64
    ) async throws {
        // 3.
        try await transaction.query(
            """
            UPDATE schedule_clocks SET last_fired_at = clock_timestamp(),
                last_operation = coalesce(\(operation)::uuid, last_operation),
                last_problem = \(problem)::text, missed = missed + \(missed)
            WHERE schedule = \(schedule)
            """)
    }

    /// Forgets the clock of a schedule that fires no more.
    func stop(_ schedule: ScheduleID) async throws {
        // 4.
        try await transaction.query("DELETE FROM schedule_clocks WHERE schedule = \(schedule)")
    }

    /// The schedules by name, only one where it is given.
    func schedules(
        only: ScheduleID? = nil, after: String = "", limit: Int = 1
    ) async throws -> [ScheduleDescription] {
        // 5.
        let result = try await transaction.query(
            """
            SELECT s.id, s.name, s.definition, s.created_at, c.due_at, c.last_fired_at,
                c.last_operation, c.last_problem, coalesce(c.missed, 0) AS missed,
                p.name AS project_name, t.state
            FROM schedules s LEFT JOIN schedule_clocks c ON c.schedule = s.id
            LEFT JOIN projects p
                ON p.id = identifier_uuid(s.definition->>'project')
            LEFT JOIN operation_states t ON t.operation = c.last_operation
            WHERE s.deleted_at IS NULL AND (\(only)::uuid IS NULL OR s.id = \(only)::uuid)
                AND s.name > \(after)
            ORDER BY s.name LIMIT \(limit)
            """)
        return try result.rows.map { row in
            let state = try row.decode("state", as: String?.self)
            return ScheduleDescription(
                id: try row.decode("id"), name: try row.decode("name"),
                definition: try row.decode(
                    "definition", as: JSONColumn<ScheduleDefinition>.self
                ).value, projectName: try row.decode("project_name"),
                nextDue: try row.decode("due_at"), lastFiredAt: try row.decode("last_fired_at"),
                lastOperation: try row.decode("last_operation"),
                lastState: state.flatMap { OperationState(rawValue: $0) },
                lastProblem: try row.decode("last_problem"), missed: try row.decode("missed"),
                createdAt: try row.decode("created_at"))
        }
    }

    /// Locks a living schedule until the transaction ends.
    func lock(_ schedule: ScheduleID) async throws -> Bool {
        // 6.
        let result = try await transaction.query(
            """
            SELECT id FROM schedules WHERE id = \(schedule) AND deleted_at IS NULL
            FOR NO KEY UPDATE
            """)
        return result.first != nil
    }

    /// Whether there is a living schedule of a name.
    func has(named name: String) async throws -> Bool {
        // 7.
        let result = try await transaction.query(
            "SELECT id FROM schedules WHERE name = \(name) AND deleted_at IS NULL")
        return result.first != nil
    }
}
