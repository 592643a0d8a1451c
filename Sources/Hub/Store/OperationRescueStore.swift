import Postgres
import Shared

/// Finds what must not stay as it is.
///
/// Only the database's clock decides, and hosts are judged as of when a hub was there.
struct OperationRescueStore: Sendable {
    /// A lease to be taken back.
    struct Stale: Sendable {
        var operation: OperationID
        var root: OperationID
        var epoch: Int64
        var reason: String
        /// Whether it counts as one of the operation's tries.
        var isTry = true
    }

    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    /// Whether a session `s` is over.
    static let isOver: PostgresQuery = """
        (s.ended_at IS NOT NULL OR s.lease_until < CASE s.node WHEN 'host'
            THEN (SELECT judged_at()) ELSE clock_timestamp() END)
        """
    /// Whether a lease `r` of an operation `o` has not moved for too long.
    static let isSilent: PostgresQuery = """
        (coalesce(r.progress_at, r.claimed_at) + o.silence_milliseconds
            * interval '1 millisecond' < (SELECT judged_at()))
        """

    /// Leases of sessions that ended or ran out, and leases without progress.
    func stale(limit: Int) async throws -> [Stale] {
        // 1.
        let result = try await transaction.query(
            """
            SELECT r.operation, o.root, r.epoch,
                CASE WHEN \(fragment: Self.isOver) THEN 'lease-lost' ELSE 'no-progress' END
                    AS reason
            FROM operation_run r
            JOIN sessions s ON s.id = r.session
            JOIN operation_live o ON o.operation = r.operation
            WHERE \(fragment: Self.isOver) OR \(fragment: Self.isSilent)
            ORDER BY r.epoch LIMIT \(limit)
            """)
        return try result.rows.map(stale)
    }

    /// Leases of a host's sessions that have ended.
    func ended(of host: HostID) async throws -> [Stale] {
        // 9.
        let result = try await transaction.query(
            """
            SELECT r.operation, o.root, r.epoch, 'lease-lost' AS reason
            FROM operation_run r JOIN sessions s ON s.id = r.session
            JOIN operation_live o ON o.operation = r.operation
            WHERE s.host = \(host) AND s.ended_at IS NOT NULL
            """)
        return try result.rows.map(stale)
    }

    /// Leases that a session has not listed for longer than an interval.
    func unlisted(session: SessionID, milliseconds: Int64) async throws -> [Stale] {
        // 2.
        let result = try await transaction.query(
            """
            SELECT r.operation, o.root, r.epoch, 'released' AS reason
            FROM operation_run r JOIN operation_live o ON o.operation = r.operation
            WHERE r.session = \(session)
                AND coalesce(r.listed_at, r.claimed_at) < clock_timestamp() - \(milliseconds) * interval '1 millisecond'
            """)
        return try result.rows.map(stale)
    }

    /// Whether a lease is still to be taken back, now that its tree is locked.
    func isStill(_ stale: Stale, unlistedMilliseconds: Int64?) async throws -> Bool {
        // 3.
        let result = try await transaction.query(
            """
            SELECT r.operation FROM operation_run r
            JOIN sessions s ON s.id = r.session
            JOIN operation_live o ON o.operation = r.operation
            WHERE r.operation = \(stale.operation) AND r.epoch = \(stale.epoch)
                AND (\(fragment: Self.isOver) OR \(fragment: Self.isSilent)
                    OR coalesce(r.listed_at, r.claimed_at) < clock_timestamp()
                        - \(unlistedMilliseconds) * interval '1 millisecond')
            """)
        return result.first != nil
    }

    /// Makes due retries and due parked operations claimable.
    ///
    /// - Returns: their lanes.
    func wakeDue() async throws -> [String] {
        // 4.
        let delayed = try await transaction.query(
            """
            WITH due AS (
                DELETE FROM operation_delayed WHERE operation IN (
                    SELECT operation FROM operation_delayed WHERE due_at <= clock_timestamp()
                    ORDER BY due_at LIMIT 1000 FOR UPDATE SKIP LOCKED)
                RETURNING operation, tries, begun_at
            )
            INSERT INTO operation_ready (lane, priority, share, operation, tries, begun_at)
            SELECT o.lane, o.priority, CASE WHEN o.is_workflow AND d.begun_at IS NOT NULL
                THEN ~o.share ELSE o.share END, o.operation, d.tries, d.begun_at
            FROM operation_live o JOIN due d USING (operation)
            RETURNING lane
            """)
        // 5.
        let waiting = try await transaction.query(
            """
            WITH due AS (
                DELETE FROM operation_waiting WHERE operation IN (
                    SELECT operation FROM operation_waiting WHERE wake_at <= clock_timestamp()
                    ORDER BY wake_at LIMIT 1000 FOR UPDATE SKIP LOCKED)
                RETURNING operation, tries, begun_at
            )
            INSERT INTO operation_ready (lane, priority, share, operation, tries, begun_at)
            SELECT o.lane, o.priority, CASE WHEN o.is_workflow AND d.begun_at IS NOT NULL
                THEN ~o.share ELSE o.share END, o.operation, d.tries, d.begun_at
            FROM operation_live o JOIN due d USING (operation)
            RETURNING lane
            """)
        return try (delayed.rows + waiting.rows).map { try $0.decode("lane") }
    }

    /// Live operations whose time is over: nobody works on them, and a workflow has not begun.
    func expired() async throws -> [(operation: OperationID, root: OperationID)] {
        // 6.
        let result = try await transaction.query(
            """
            SELECT l.operation, l.root FROM operation_live l
            WHERE l.expires_at < clock_timestamp() AND NOT EXISTS (SELECT FROM operation_run r
                WHERE r.operation = l.operation)
                AND NOT EXISTS (SELECT FROM operation_workflow w WHERE w.operation = l.operation)
            ORDER BY l.expires_at LIMIT 100
            """)
        return try result.rows.map { (try $0.decode("operation"), try $0.decode("root")) }
    }

    /// Copies that have waited too long, and failed ones whose backup need not be kept any more.
    func expiredCopies() async throws -> [(copy: CopyID, destination: ProjectID, isOpen: Bool)] {
        // 7.
        let result = try await transaction.query(
            """
            SELECT c.id, c.destination, c.state = 'pending' AS is_open FROM copies c
            WHERE c.expires_at < clock_timestamp() AND (c.state = 'pending'
                OR c.state = 'failed' AND EXISTS (SELECT FROM pins p WHERE p.holder = c.id))
            LIMIT 100
            """)
        return try result.rows.map {
            (try $0.decode("id"), try $0.decode("destination"), try $0.decode("is_open"))
        }
    }

    /// Forgets what nobody asks for any more.
    func sweepOld() async throws {
        // 8.
        try await transaction.query(
            """
            DELETE FROM idempotency_keys WHERE created_at < clock_timestamp() - interval '1 day'
            """)
    }

    private func stale(_ row: PostgresRow) throws -> Stale {
        Stale(
            operation: try row.decode("operation"), root: try row.decode("root"),
            epoch: try row.decode("epoch"), reason: try row.decode("reason"))
    }
}
