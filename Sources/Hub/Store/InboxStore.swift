import Postgres
import Shared

/// How far each ledger's reports have been applied (D8).
struct InboxStore: Sendable {
    /// A ledger that is accepted.
    struct Ledger: Sendable {
        var hostName: String
        var applied: Int64
    }

    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    /// Locks a host's ledger.
    ///
    /// - Throws: `Problem` 409 `ledger-quarantined` when it is not the one that the host enrolled
    ///   with.
    func accept(_ ledger: LedgerID, of host: HostID) async throws -> Ledger {
        // 1.
        let found = try await transaction.query(
            "SELECT name, ledger FROM hosts WHERE id = \(host) AND removed_at IS NULL")
        guard let row = found.first else { throw OperationProblem.unknownHost(host) }
        let known = try row.decode("ledger", as: LedgerID?.self)
        guard known == ledger else {
            throw OperationProblem.quarantined(
                "host \(try row.decode("name", as: String.self)) enrolled with ledger "
                    + "\(known.map { "\($0)" } ?? "none"), and this is \(ledger)")
        }
        // 2.
        try await transaction.query(
            "INSERT INTO inbox (host, ledger) VALUES (\(host), \(ledger)) ON CONFLICT DO NOTHING")
        // 3. One batch of a ledger at a time.
        let result = try await transaction.query(
            """
            SELECT applied, quarantine_reason FROM inbox
            WHERE host = \(host) AND ledger = \(ledger) FOR UPDATE
            """)
        let inbox = try result.one()
        if let reason = try inbox.decode("quarantine_reason", as: String?.self) {
            throw OperationProblem.quarantined(reason)
        }
        return Ledger(hostName: try row.decode("name"), applied: try inbox.decode("applied"))
    }

    /// Notes a ledger that is not accepted, for people to see.
    func quarantine(_ ledger: LedgerID, of host: HostID, reason: String) async throws {
        // 4.
        try await transaction.query(
            """
            INSERT INTO inbox (host, ledger, quarantined_at, quarantine_reason)
            VALUES (\(host), \(ledger), clock_timestamp(), \(reason))
            ON CONFLICT (host, ledger) DO UPDATE SET quarantined_at = coalesce(
                inbox.quarantined_at, excluded.quarantined_at),
                quarantine_reason = excluded.quarantine_reason
            """)
    }

    /// Notes how far the reports have been applied.
    func advance(_ ledger: LedgerID, of host: HostID, to applied: Int64) async throws {
        // 5.
        try await transaction.query(
            """
            UPDATE inbox SET applied = \(applied)
            WHERE host = \(host) AND ledger = \(ledger) AND applied < \(applied)
            """)
    }
}
