import Postgres
import Shared

/// Reads the event log to check its hash chain.
struct LogStore: Sendable {
    let connection: PostgresConnection

    /// Where the log ends, or where a check has come to.
    struct Head: Sendable, Equatable {
        var sequence: Int64
        var hash: [UInt8]
    }

    /// The first event that does not follow on the one before.
    struct Flaw: Sendable, Equatable {
        var sequence: Int64
        var type: String
        /// Whether events before it are missing, rather than something in it changed.
        var isGap: Bool
    }

    /// Where the counter says that the log ends.
    func head() async throws -> Head {
        // 1.
        let row = try await connection.query("SELECT sequence, hash FROM event_counter").one()
        return Head(sequence: try row.decode("sequence"), hash: try row.decode("hash"))
    }

    /// The last of the next `limit` events; nil behind the end of the log.
    func end(after sequence: Int64, limit: Int) async throws -> Head? {
        // 2.
        let result = try await connection.query(
            """
            SELECT sequence, hash FROM events WHERE sequence = (SELECT max(sequence) FROM (
                SELECT sequence FROM events WHERE sequence > \(sequence)
                ORDER BY sequence LIMIT \(limit)) AS page)
            """)
        return try result.first.map { row in
            Head(sequence: try row.decode("sequence"), hash: try row.decode("hash"))
        }
    }

    /// The first flaw between two places of the log, the first excluded.
    func flaw(after head: Head, through last: Int64) async throws -> Flaw? {
        // 3.
        let result = try await connection.query(
            """
            SELECT sequence, type, is_gap FROM (
                SELECT sequence, type,
                    sequence <> lag(sequence, 1, \(head.sequence)) OVER log + 1 AS is_gap,
                    hash IS DISTINCT FROM event_hash(lag(hash, 1, \(head.hash)) OVER log, form,
                        sequence, timeline, type, version, project, host, actor, reason, request,
                        time, payload) AS is_changed
                FROM events WHERE sequence > \(head.sequence) AND sequence <= \(last)
                WINDOW log AS (ORDER BY sequence)) AS checked
            WHERE is_gap OR is_changed ORDER BY sequence LIMIT 1
            """)
        return try result.first.map { row in
            Flaw(
                sequence: try row.decode("sequence"), type: try row.decode("type"),
                isGap: try row.decode("is_gap"))
        }
    }

    /// The last event before another one; 0 when there is none.
    func last(before sequence: Int64) async throws -> Int64 {
        // 5.
        try await connection.query(
            "SELECT coalesce(max(sequence), 0) AS last FROM events WHERE sequence < \(sequence)"
        ).one().decode("last")
    }

    /// The hash of one event; nil when there is none.
    func hash(of sequence: Int64) async throws -> [UInt8]? {
        // 4.
        try await connection.query("SELECT hash FROM events WHERE sequence = \(sequence)")
            .first?.decode("hash")
    }
}
