import Postgres
import Shared

/// Writes heartbeats of sessions without work.
struct SessionBeatStore: Sendable {
    let pool: PostgresPool

    /// Renews open sessions, and notes what their hosts say of themselves.
    ///
    /// - Returns: the sessions that are open, each with whether it has work after all.
    func renew(
        _ beats: [(session: SessionID, host: HostID, status: HostStatus)],
        leaseMilliseconds: Int64
    ) async throws -> [SessionID: Bool] {
        let sessions = beats.map(\.session.uuid)
        let hosts = beats.map(\.host.uuid)
        let statuses = try beats.map { try JSON.text($0.status) }
        // 1. Only the database's clock decides; of one host's sessions only one is open.
        let result = try await pool.query(
            """
            WITH given AS MATERIALIZED (
                SELECT session::uuid, host::uuid, status::jsonb FROM unnest(\(sessions)::text[],
                    \(hosts)::text[], \(statuses)::text[]) AS g (session, host, status)
            ), renewed AS (
                UPDATE sessions s SET renewed_at = clock_timestamp(), lease_until =
                    clock_timestamp() + \(leaseMilliseconds) * interval '1 millisecond'
                FROM given g WHERE s.id = g.session AND s.host = g.host AND s.ended_at IS NULL
                    AND s.lease_until > clock_timestamp()
                RETURNING s.id, g.host, g.status
            ), seen AS (
                INSERT INTO host_status (host, seen_at, status)
                SELECT DISTINCT ON (host) host, clock_timestamp(), status FROM renewed
                ORDER BY host
                ON CONFLICT (host) DO UPDATE SET seen_at = excluded.seen_at,
                    status = excluded.status
            )
            SELECT r.id, EXISTS (SELECT FROM operation_run x WHERE x.session = r.id) AS has_work
            FROM renewed r
            """)
        var open: [SessionID: Bool] = [:]
        for row in result.rows { open[try row.decode("id")] = try row.decode("has_work") }
        return open
    }
}
