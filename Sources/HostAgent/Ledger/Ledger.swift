import Platform
import SQLite
import Shared

/// The agent's database: what it has accepted, what it has to report, what it knows of volumes.
///
/// Every commit is on the disk before it returns (WAL, synchronous FULL).
struct Ledger: Sendable {
    let database: SQLiteDatabase
    let id: LedgerID
    /// Rings when something was added to the outbox.
    let outbox: Bell

    /// Opens the database, or makes it with a new identity.
    ///
    /// - Throws: `AgentError` with code `ledger` when it is damaged or of a newer program.
    static func open(_ directory: DataDirectory, creates: Bool) async throws -> Ledger {
        do {
            let database = try await SQLiteDatabase.open(
                directory.ledger, options: SQLiteOptions(creates: creates))
            try await database.migrate(LedgerSchema.migrations)
            let fresh = LedgerID.make()
            let id = try await database.write { connection in
                try connection.execute(
                    "insert or ignore into ledger (one, id) values (1, \(fresh.description))")
                return try connection.queryFirst("select id from ledger")?
                    .decode("id", as: String.self)
            }
            guard let id = id.flatMap({ LedgerID($0) }) else {
                throw AgentError(.ledger, "\(directory.ledger) holds no identity")
            }
            return Ledger(database: database, id: id, outbox: Bell())
        } catch let error as SQLiteError {
            throw AgentError(.ledger, "the ledger \(directory.ledger) cannot be used", cause: error)
        }
    }

    /// Closes the database.
    func close() async { await database.close() }
}
