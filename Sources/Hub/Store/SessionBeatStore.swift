import Postgres
import Shared

/// Writes heartbeats of sessions without work.
struct SessionBeatStore: Sendable {
    /// What heartbeats came to.
    struct Renewed: Sendable {
        /// The sessions that are open, each with whether it has work after all.
        var open: [SessionID: Bool]
        /// Where the log ends.
        var head: LogHead?
    }

    let pool: PostgresPool

    /// Renews open sessions of hosts that know nothing of the log that it does not hold, and notes
    /// what they say of themselves.
    func renew(
        _ beats: [(request: HeartbeatRequest, host: HostID)], leaseMilliseconds: Int64
    ) async throws -> Renewed {
        let sessions = beats.map(\.request.session.uuid)
        let hosts = beats.map(\.host.uuid)
        let statuses = try beats.map { try JSON.text($0.request.status) }
        let histories = beats.map { $0.request.logHead?.history.uuid ?? "" }
        let sequences = beats.map { $0.request.logHead?.sequence ?? 0 }
        let hashes = beats.map { $0.request.logHead?.hash ?? "" }
        // 1. Only the database's clock decides; of one host's sessions only one is open.
        let result = try await pool.query(
            """
            WITH log AS MATERIALIZED (
                SELECT coalesce(h.history, h.timeline) AS history, c.sequence,
                    encode(c.hash, 'hex') AS hash
                FROM event_counter c CROSS JOIN hub h
            ), given AS MATERIALIZED (
                SELECT g.session::uuid, g.host::uuid, g.status::jsonb FROM unnest(\(sessions)::text[],
                    \(hosts)::text[], \(statuses)::text[], \(histories)::text[],
                    \(sequences)::bigint[], \(hashes)::text[])
                    AS g (session, host, status, history, sequence, hash) CROSS JOIN log
                WHERE g.sequence = 0 OR nullif(g.history, '')::uuid IS DISTINCT FROM log.history
                    OR EXISTS (SELECT FROM events e WHERE e.sequence = g.sequence
                        AND encode(e.hash, 'hex') = g.hash)
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
            SELECT l.history, l.sequence, l.hash, r.id,
                EXISTS (SELECT FROM operation_run x WHERE x.session = r.id) AS has_work
            FROM log l LEFT JOIN renewed r ON true
            """)
        var renewed = Renewed(open: [:], head: nil)
        for row in result.rows {
            renewed.head = LogHead(
                history: try row.decode("history"), sequence: try row.decode("sequence"),
                hash: try row.decode("hash"))
            guard let id = try row.decode("id", as: SessionID?.self) else { continue }
            renewed.open[id] = try row.decode("has_work")
        }
        return renewed
    }
}
