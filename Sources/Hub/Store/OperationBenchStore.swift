import Postgres
import Shared

/// What the bench of the operations engine asks of its database.
struct OperationBenchStore: Sendable {
    let pool: PostgresPool
    let host: HostID
    let identifiers: Identifiers

    /// Makes ready operations that do nothing, a thousand a transaction.
    func fill(_ count: Int) async throws {
        for first in stride(from: 0, to: count, by: 1000) {
            let new = (first..<min(count, first + 1000)).map { _ in operation() }
            try await pool.withTransaction { _ = try await OperationStore($0).create(new) }
        }
    }

    /// Makes one as a request does, and rings.
    func create(_ changes: ChangeRunner) async throws -> OperationID {
        let new = operation()
        try await changes.run { change in
            _ = try await OperationStore(change.transaction).create(new)
            change.lanes.insert(host.uuid)
        }
        return new.id
    }

    private func operation() -> NewOperation {
        let id = identifiers.make(OperationIdentity.self)
        return NewOperation(
            id: id, kind: .hostCheck, scopeKind: .host, scope: host.uuid, project: nil,
            lane: host.uuid, input: .object([:]), createdBy: "bench", root: id)
    }

    /// As before every peer's run.
    func settle() async throws {
        // 1.
        try await pool.query("VACUUM ANALYZE")
        // 2.
        try await pool.query("CHECKPOINT")
    }

    /// How many have ended, as whoever asks sees it.
    func ended() async throws -> Int {
        // 3.
        try await pool.query("SELECT count(*) AS n FROM operation_end").one().decode("n")
    }

    /// How many are ready; a transaction that asks this first holds what it saw.
    func ready(in transaction: PostgresTransaction) async throws -> Int {
        // 5.
        try await transaction.query("SELECT count(*) AS n FROM operation_ready").one()
            .decode("n")
    }

    /// How much was written to the log.
    func walPosition() async throws -> Int64 {
        // 4.
        try await pool.query(
            "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint AS n"
        ).one().decode("n")
    }
}
