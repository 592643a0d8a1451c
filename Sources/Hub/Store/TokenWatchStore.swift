import Postgres
import Shared

/// Looks for tokens that have ended.
struct TokenWatchStore: Sendable {
    let pool: PostgresPool

    /// The hashes of tokens that were revoked since a minute before an earlier look, because a
    /// revocation is seen only when it is committed; and the time of this one.
    func ended(since: Timestamp?) async throws -> (hashes: [[UInt8]], now: Timestamp) {
        // 1.
        let result = try await pool.query(
            """
            SELECT t.hash, n.now FROM (SELECT date_trunc('milliseconds', clock_timestamp()) AS now) n
            LEFT JOIN tokens t ON t.kind = 'host' AND t.revoked_at > coalesce(
                \(since)::timestamptz, n.now) - interval '1 minute'
            """)
        let now = try result.rows.first?.decode("now", as: Timestamp.self)
        guard let now else { throw HubError(.database, "the database does not tell the time") }
        return (try result.rows.compactMap { try $0.decode("hash", as: [UInt8]?.self) }, now)
    }
}
