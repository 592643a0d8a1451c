import Postgres
import Shared

/// Sessions of agents and hubs: the only heartbeat, and what leases hang on.
struct SessionStore: Sendable {
    /// What a session's lease request finds.
    struct Open: Sendable {
        var name: String
        /// Whether the host has yet to tell what it holds, since the database went back in time.
        var isAwaited: Bool
    }

    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    /// Opens a session; again is harmless.
    ///
    /// - Parameter host: nil for a hub.
    /// - Returns: false when a session with this identity has ended or is another's.
    func open(
        _ session: SessionID, host: HostID?, name: String, leaseMilliseconds: Int64
    ) async throws -> Bool {
        // 1.
        let result = try await transaction.query(
            """
            INSERT INTO sessions AS s (id, node, host, name, lease_until)
            VALUES (\(session), \(host == nil ? "hub" : "host"), \(host), \(name),
                clock_timestamp() + \(leaseMilliseconds) * interval '1 millisecond')
            ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until,
                renewed_at = clock_timestamp()
            WHERE s.ended_at IS NULL AND s.host IS NOT DISTINCT FROM excluded.host
            """)
        return result.affectedRows == 1
    }

    /// Ends a host's other sessions.
    func endOthers(of host: HostID, than session: SessionID) async throws {
        // 2. Waits for lease requests under way, which hold their session's row.
        try await transaction.query(
            """
            UPDATE sessions SET ended_at = clock_timestamp()
            WHERE host = \(host) AND id <> \(session) AND ended_at IS NULL
            """)
    }

    /// Ends one session.
    func end(_ session: SessionID) async throws {
        // 3.
        try await transaction.query(
            """
            UPDATE sessions SET ended_at = clock_timestamp()
            WHERE id = \(session) AND ended_at IS NULL
            """)
    }

    /// Locks an open session for a lease request.
    ///
    /// - Parameter head: what the host knows of the log.
    /// - Returns: nil when it has ended, run out, or is another host's, or when the log does not hold
    ///   what the host knows.
    func lock(
        _ session: SessionID, host: HostID?, knowing head: LogHead? = nil
    ) async throws -> Open? {
        // 4.
        let result = try await transaction.query(
            """
            SELECT name, EXISTS (SELECT FROM host_recovery r WHERE r.host = sessions.host) AS is_awaited
            FROM sessions
            WHERE id = \(session) AND host IS NOT DISTINCT FROM \(host)::uuid
                AND ended_at IS NULL AND lease_until > clock_timestamp()
                AND (\(head?.sequence ?? 0) = 0
                    OR EXISTS (SELECT FROM events e WHERE e.sequence = \(head?.sequence ?? 0)
                        AND encode(e.hash, 'hex') = \(head?.hash ?? ""))
                    OR (SELECT coalesce(h.history, h.timeline) FROM hub h)
                        IS DISTINCT FROM \(head?.history)::uuid)
            FOR NO KEY UPDATE
            """)
        return try result.first.map { row in
            Open(
                name: try row.decode("name"),
                isAwaited: try row.decode("is_awaited"))
        }
    }

    /// Renews an open session's lease.
    ///
    /// - Returns: false when it has ended, run out, or is another host's.
    func renew(
        _ session: SessionID, host: HostID?, leaseMilliseconds: Int64
    ) async throws -> Bool {
        // 6. Only the database's clock decides.
        let result = try await transaction.query(
            """
            UPDATE sessions SET renewed_at = clock_timestamp(),
                lease_until = clock_timestamp() + \(leaseMilliseconds) * interval '1 millisecond'
            WHERE id = \(session) AND host IS NOT DISTINCT FROM \(host)::uuid
                AND ended_at IS NULL AND lease_until > clock_timestamp()
            """)
        return result.affectedRows == 1
    }

    /// Lets the transaction's commit not wait for the disk: a heartbeat that a crash of the server
    /// takes back leaves its lease as the one before had it, which is longer than its holder works.
    func commitsWithoutDisk() async throws {
        // 13.
        try await transaction.query("SET LOCAL synchronous_commit = off")
    }

    /// Gives hosts that were there when a hub was there last one lease more.
    ///
    /// They could renew nothing meanwhile, and nobody would have seen progress: their work gets the
    /// time that it missed, and what they had to break off is no try.
    ///
    /// Does nothing while a hub is there. Called before the hub's own session is opened or renewed.
    ///
    /// - Parameter isStart: whether a hub begins, which may be soon after another was there.
    func excuseAbsence(leaseMilliseconds: Int64, isStart: Bool) async throws {
        // 12. Longer leases take nothing from anybody. A row that is locked is being renewed.
        try await transaction.query(
            """
            WITH absence AS MATERIALIZED (
                SELECT CASE WHEN \(isStart) THEN
                    (SELECT max(renewed_at) FROM sessions WHERE node = 'hub')
                    ELSE judged_at() END AS since
            ), excused AS (
                UPDATE sessions SET lease_until = greatest(lease_until,
                    clock_timestamp() + \(leaseMilliseconds) * interval '1 millisecond')
                WHERE id IN (SELECT s.id FROM sessions s JOIN absence a
                    ON s.lease_until > a.since AND a.since < statement_timestamp()
                    WHERE s.node = 'host' AND s.ended_at IS NULL
                    FOR NO KEY UPDATE OF s SKIP LOCKED)
                RETURNING id
            )
            UPDATE operation_run r SET is_excused = true, progress_at = coalesce(r.progress_at, r.claimed_at)
                + (clock_timestamp() - greatest(a.since, r.claimed_at))
            FROM absence a WHERE r.operation IN (
                SELECT x.operation FROM operation_run x JOIN excused e ON e.id = x.session
                FOR UPDATE OF x SKIP LOCKED)
            """)
    }

    /// Notes what a host says of itself.
    func observe(_ host: HostID, _ status: HostStatus) async throws {
        let document = try JSONColumn(status)
        // 7.
        try await transaction.query(
            """
            INSERT INTO host_status (host, seen_at, status)
            VALUES (\(host), clock_timestamp(), \(document)::jsonb)
            ON CONFLICT (host) DO UPDATE SET seen_at = excluded.seen_at, status = excluded.status
            """)
    }

    /// Notes what a session still works on.
    ///
    /// Rows that are just being ended are left alone.
    func list(_ held: [HeldLease], session: SessionID) async throws {
        let operations = held.map(\.operation.uuid)
        let epochs = held.map(\.epoch)
        // 8. SKIP LOCKED: a heartbeat never waits for a completion, nor the other way round.
        try await transaction.query(
            """
            UPDATE operation_run r SET listed_at = clock_timestamp()
            FROM (
                SELECT x.operation FROM operation_run x
                JOIN unnest(\(operations)::text[]::uuid[], \(epochs)::bigint[])
                    AS h (operation, epoch) USING (operation, epoch)
                WHERE x.session = \(session) FOR UPDATE OF x SKIP LOCKED
            ) AS l
            WHERE r.operation = l.operation
            """)
    }

    /// Notes that a session's work moves.
    func keepMoving(_ operations: [OperationID], session: SessionID) async throws {
        guard !operations.isEmpty else { return }
        let names = operations.map(\.uuid)
        // 14.
        try await transaction.query(
            """
            UPDATE operation_run r SET progress_at = clock_timestamp()
            FROM (SELECT x.operation FROM operation_run x WHERE x.session = \(session)
                AND x.operation = ANY(\(names)::text[]::uuid[])
                FOR UPDATE OF x SKIP LOCKED) AS m
            WHERE r.operation = m.operation
            """)
    }

    /// The leases among `held` that the session does not have any more.
    func lost(_ held: [HeldLease], session: SessionID) async throws -> [OperationID] {
        let operations = held.map(\.operation.uuid)
        let epochs = held.map(\.epoch)
        // 9.
        let result = try await transaction.query(
            """
            SELECT h.operation FROM unnest(\(operations)::text[]::uuid[], \(epochs)::bigint[])
                AS h (operation, epoch)
            WHERE NOT EXISTS (SELECT FROM operation_run r WHERE r.operation = h.operation
                AND r.epoch = h.epoch AND r.session = \(session))
            """)
        return try result.rows.map { try $0.decode("operation") }
    }

    /// The operations of a host among `interrupted` that have ended.
    ///
    /// One that is not known has not: what its host keeps of it may be all that there is.
    func ended(_ interrupted: [OperationID], host: HostID) async throws -> [OperationID]? {
        guard !interrupted.isEmpty else { return nil }
        let operations = interrupted.map(\.uuid)
        // 11.
        let result = try await transaction.query(
            """
            SELECT e.operation FROM operation_end e JOIN operations o ON o.id = e.operation
            WHERE e.operation = ANY(\(operations)::text[]::uuid[])
                AND o.id = ANY(\(operations)::text[]::uuid[]) AND o.lane = \(host.uuid)
            """)
        return try result.rows.map { try $0.decode("operation") }
    }

    /// The session's operations that somebody asked to stop.
    func canceled(session: SessionID) async throws -> [OperationID] {
        // 10.
        let result = try await transaction.query(
            """
            SELECT r.operation FROM operation_run r JOIN operation_cancel c USING (operation)
            WHERE r.session = \(session)
            """)
        return try result.rows.map { try $0.decode("operation") }
    }
}
