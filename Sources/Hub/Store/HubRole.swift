import Postgres

/// The rights of the hub's own role: everything but altering the event log and the schema.
struct HubRole: Sendable {
    /// The owner of the tables.
    let connection: PostgresConnection

    /// The advisory lock that lets hubs that start at once follow each other.
    private static let lock: Int64 = 0x6265_7274_6872_6f6c

    /// Makes the role of a private cluster where it is missing.
    func make(_ role: String) async throws {
        do {
            // 1.
            try await connection.query("CREATE ROLE \(identifier: role) LOGIN")
        } catch let error as PostgresError where error.sqlState == "42710" {
            // It is there already.
        }
    }

    /// Grants the role what it needs.
    ///
    /// Rows get into the log only by `append_events`, which runs with its owner's rights.
    func grant(to role: String) async throws {
        try await connection.withTransaction { transaction in
            // 2. Two grants at once on one table fail with "tuple concurrently updated".
            try await transaction.query("SELECT pg_advisory_xact_lock(\(Self.lock))")
            // 3.
            try await transaction.query(
                "GRANT USAGE ON SCHEMA public TO \(identifier: role)")
            // 4.
            try await transaction.query(
                """
                GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public
                TO \(identifier: role)
                """)
            // 5.
            try await transaction.query(
                "GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA public TO \(identifier: role)"
            )
            // 6.
            try await transaction.query(
                """
                REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON events, event_counter, schema_migrations
                FROM \(identifier: role)
                """)
        }
    }
}
