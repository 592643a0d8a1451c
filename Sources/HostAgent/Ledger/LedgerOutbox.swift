import Platform
import SQLite
import Shared

/// The outbox: what the host has to say, numbered without a gap.
extension Ledger {
    /// The oldest reports that have not been acknowledged.
    func outboxBatch(limit: Int) async throws -> [Report] {
        try await database.read { connection in
            try connection.query(
                """
                select sequence, time, content from outbox order by sequence limit \(limit)
                """
            ).map { row in
                Report(
                    sequence: try row.decode("sequence"),
                    time: Timestamp(milliseconds: try row.decode("time")),
                    content: try JSON.decode(
                        ReportContent.self,
                        from: Array(try row.decode("content", as: String.self).utf8)))
            }
        }
    }

    /// Removes what the hub has applied.
    func acknowledge(upTo sequence: Int64) async throws {
        _ = try await database.write { connection in
            try connection.execute("delete from outbox where sequence <= \(sequence)")
        }
    }

    /// How many reports wait.
    func outboxCount() async throws -> Int64 {
        try await database.read { connection in
            try connection.queryFirst("select count(*) as n from outbox")?.decode("n") ?? 0
        }
    }

    /// The highest number that was ever given to a report.
    func lastSequence() async throws -> Int64 {
        try await database.read { connection in
            try connection.queryFirst("select seq from sqlite_sequence where name = 'outbox'")?
                .decode("seq") ?? 0
        }
    }

    /// Adds a report of its own.
    func report(_ content: ReportContent) async throws {
        try await database.write { try Self.append(content, $0) }
        outbox.ring()
    }

    /// Adds a report within a transaction; the caller rings the bell after it.
    static func append(_ content: ReportContent, _ connection: SQLiteConnection) throws {
        let time = UTCTime.now().millisecondsSinceEpoch
        let text = try JSON.text(content)
        try connection.execute("insert into outbox (time, content) values (\(time), \(text))")
    }
}
