import Postgres
import Shared

/// The one row that says which history the database is and which master key fits it.
struct HubRowStore: Sendable {
    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    /// The hub's row.
    struct Row: Sendable {
        /// The first history, under which the master key's proof is sealed.
        let timeline: TimelineID
        /// The history now: another one since the database was restored from an older dump.
        let history: TimelineID
        let keyringCheck: [UInt8]
    }

    /// The row, or nil in a database that was never initialized.
    func row() async throws -> Row? {
        // 1.
        let result = try await transaction.query(
            """
            SELECT timeline, coalesce(history, timeline) AS history, keyring_check FROM hub
            """)
        return try result.first.map { row in
            Row(
                timeline: try row.decode("timeline"), history: try row.decode("history"),
                keyringCheck: try row.decode("keyring_check"))
        }
    }

    /// Makes the row of a new history.
    func insert(timeline: TimelineID, keyringCheck: [UInt8]) async throws {
        // 2. Fails when there is one: a history begins once.
        try await transaction.query(
            "INSERT INTO hub (timeline, keyring_check) VALUES (\(timeline), \(keyringCheck))")
    }
}
