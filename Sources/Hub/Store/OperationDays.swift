import Postgres
import Shared

/// The days in which operations lie, each a partition that is dropped whole.
struct OperationDays: Sendable {
    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    /// Makes the partitions of the coming days that are missing; again is harmless.
    func make(ahead days: Int) async throws {
        // 1.
        try await transaction.query(
            """
            SELECT make_operation_days((clock_timestamp() AT TIME ZONE 'UTC')::date
                + \(days)::integer)
            """)
    }

    /// Drops days that are older than so many days and hold nothing of a living operation's tree.
    ///
    /// - Returns: how many.
    func drop(olderThanDays days: Int) async throws -> Int {
        // 2.
        try await transaction.query(
            """
            SELECT drop_operation_days((clock_timestamp() AT TIME ZONE 'UTC')::date
                - \(days)::integer) AS dropped
            """
        ).one().decode("dropped")
    }

    /// Forgets sessions that ended before the oldest day.
    func sweepSessions() async throws {
        // 3.
        try await transaction.query(
            """
            DELETE FROM sessions s WHERE s.lease_until < clock_timestamp() - interval '7 days'
                AND NOT EXISTS (SELECT FROM operation_run r WHERE r.session = s.id)
            """)
    }
}
