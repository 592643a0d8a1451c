import Postgres

extension RegistryStatements {
    /// What recurs.
    static let schedules: [Form: PostgresQuery] = [
        Form(type: "schedule.created", version: 1): """
        INSERT INTO schedules (id, name, definition, created_at, version)
        SELECT identifier_uuid(e.payload->>'schedule'), e.payload->>'name',
            e.payload->'definition', e.time, 1 FROM e
        """,
        Form(type: "schedule.changed", version: 1): """
        UPDATE schedules SET definition = e.payload->'definition', version = schedules.version + 1
        FROM e WHERE schedules.id = identifier_uuid(e.payload->>'schedule')
            AND schedules.deleted_at IS NULL
        """,
        Form(type: "schedule.deleted", version: 1): """
        UPDATE schedules SET deleted_at = e.time, version = schedules.version + 1
        FROM e WHERE schedules.id = identifier_uuid(e.payload->>'schedule')
            AND schedules.deleted_at IS NULL
        """,
    ]
}
