import Postgres
import Shared

/// Which history the database is, and which hosts have not yet told what they hold since it went
/// back in time.
struct HistoryStore: Sendable {
    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    /// The history now.
    func current() async throws -> TimelineID {
        // 1.
        try await transaction.query("SELECT coalesce(history, timeline) AS history FROM hub")
            .one().decode("history")
    }

    /// The history, locked, so that two hosts that find out at once follow each other.
    func lock() async throws -> TimelineID {
        // 2.
        try await transaction.query(
            "SELECT coalesce(history, timeline) AS history FROM hub FOR UPDATE"
        ).one().decode("history")
    }

    /// Where the log ends now.
    func head() async throws -> LogHead {
        // 16.
        let row = try await transaction.query(
            """
            SELECT coalesce(h.history, h.timeline) AS history, c.sequence,
                encode(c.hash, 'hex') AS hash
            FROM event_counter c CROSS JOIN hub h
            """
        ).one()
        return LogHead(
            history: try row.decode("history"), sequence: try row.decode("sequence"),
            hash: try row.decode("hash"))
    }

    /// Whether the log has an entry that somebody was told of in this history.
    func knows(_ head: LogHead) async throws -> Bool {
        // 17. What another history had is not asked for.
        try await transaction.query(
            """
            SELECT coalesce(h.history, h.timeline) <> \(head.history) OR \(head.sequence) = 0
                OR EXISTS (SELECT FROM events e WHERE e.sequence = \(head.sequence)
                    AND encode(e.hash, 'hex') = \(head.hash)) AS knows
            FROM hub h
            """
        ).one().decode("knows")
    }

    /// Whether the database is of this history, or was.
    func knows(_ history: TimelineID) async throws -> Bool {
        // 18.
        try await transaction.query(
            """
            SELECT coalesce(h.history, h.timeline) = \(history) OR h.timeline = \(history)
                OR EXISTS (SELECT FROM histories x WHERE x.history = \(history)) AS knows
            FROM hub h
            """
        ).one().decode("knows")
    }

    /// The last fencing number that was given out.
    func lastEpoch() async throws -> Int64 {
        // 3.
        try await transaction.query("SELECT last_value FROM operation_epoch").one()
            .decode("last_value")
    }

    /// Makes every further fencing number higher than one that a host has seen.
    func raiseEpoch(above seen: Int64) async throws {
        // 4.
        try await transaction.query("SELECT raise_epoch(\(seen))")
    }

    /// Skips reports that a host delivered to the history that is lost, and keeps no more.
    func skipReports(of ledger: LedgerID, of host: HostID, through sequence: Int64) async throws {
        // 5.
        try await transaction.query(
            """
            UPDATE inbox SET applied = \(sequence)
            WHERE host = \(host) AND ledger = \(ledger) AND applied < \(sequence)
            """)
    }

    /// Begins another history.
    ///
    /// Every enrolled host has to open its session anew and to tell what it holds before it gets an
    /// order, and what was known of volumes is unknown until then (D3).
    /// - Parameter lost: a history that a host knows and the database does not: others come with the
    ///   same.
    func begin(lost: TimelineID?) async throws {
        // 19.
        try await transaction.query(
            """
            INSERT INTO histories (history)
            SELECT coalesce(history, timeline) FROM hub
            UNION SELECT \(lost)::uuid WHERE \(lost)::uuid IS NOT NULL
            ON CONFLICT (history) DO NOTHING
            """)
        // 6.
        try await transaction.query(
            """
            UPDATE hub SET history = gen_random_uuid(), history_began_at = clock_timestamp()
            """)
        // 7.
        try await transaction.query(
            """
            INSERT INTO host_recovery (host)
            SELECT id FROM hosts WHERE enrolled_at IS NOT NULL AND removed_at IS NULL
            ON CONFLICT (host) DO UPDATE SET since = excluded.since
            """)
        // 8.
        try await transaction.query(
            """
            UPDATE sessions SET lease_until = clock_timestamp() - interval '1 hour'
            WHERE host IS NOT NULL AND ended_at IS NULL
            """)
        // 9.
        try await transaction.query("DELETE FROM project_activity")
        // 15. Who follows them goes by numbers of transactions, which another server had given.
        try await transaction.query("DELETE FROM operation_progress")
    }

    /// When this history began; nil in the first one.
    func began() async throws -> Timestamp? {
        // 14.
        try await transaction.query(
            "SELECT date_trunc('milliseconds', history_began_at) AS began FROM hub"
        ).one().decode("began")
    }

    /// Whether a host has yet to tell what it holds.
    func isAwaited(_ host: HostID) async throws -> Bool {
        // 10.
        try await transaction.query("SELECT FROM host_recovery WHERE host = \(host)").first != nil
    }

    /// Notes that a host has told what it holds.
    func arrived(_ host: HostID) async throws {
        // 11.
        try await transaction.query("DELETE FROM host_recovery WHERE host = \(host)")
    }

    /// A volume of a project that is quarantined elsewhere with a higher generation than a
    /// placement's, and what it is.
    struct Candidate: Sendable {
        var project: ProjectID
        var host: HostID
        var generation: Int64
    }

    /// The quarantined volumes of the highest generation, above that of the placement, of projects
    /// whose volume is not where they are placed; a project with two of them is left out.
    func candidates(placedOn host: HostID) async throws -> [Candidate] {
        // 12.
        let result = try await transaction.query(
            """
            SELECT l.project, (array_agg(q.host))[1] AS host, q.generation
            FROM placements l JOIN projects p ON p.id = l.project
            JOIN quarantined_volumes q ON q.project = l.project AND q.generation > l.generation
            WHERE l.host = \(host) AND p.deleted_at IS NULL
                AND NOT EXISTS (SELECT FROM guards g WHERE g.project = l.project)
                AND NOT EXISTS (SELECT FROM project_activity a WHERE a.project = l.project
                    AND a.host = l.host AND NOT a.is_frozen)
                AND q.generation = (SELECT max(x.generation) FROM quarantined_volumes x
                    WHERE x.project = l.project)
            GROUP BY l.project, q.generation HAVING count(*) = 1 ORDER BY l.project
            """)
        return try result.rows.map { row in
            Candidate(
                project: try row.decode("project"), host: try row.decode("host"),
                generation: try row.decode("generation"))
        }
    }

    /// Whether a project's volume was seen where it is placed, and takes changes.
    func isLive(_ project: ProjectID, on host: HostID) async throws -> Bool {
        // 13.
        try await transaction.query(
            """
            SELECT FROM project_activity
            WHERE project = \(project) AND host = \(host) AND NOT is_frozen
            """
        ).first != nil
    }
}
