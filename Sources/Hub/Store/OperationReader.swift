import Postgres
import Shared

/// Reads operations for people.
struct OperationReader: Sendable {
    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    /// Where an operation stands and why it does not run; one statement, so one moment.
    ///
    /// What lives is asked of the tables of living operations, which are small; bodies and ends by
    /// their keys, each in its day.
    private static let selection: PostgresQuery = """
        SELECT o.id, o.kind, o.scope_kind, o.scope, o.project, o.parent, o.max_attempts,
            o.created_by, o.created_at,
            CASE WHEN o.lane <> 'hub' THEN o.lane::uuid END AS host, h.name AS host_name,
            hs.seen_at, o.lane = 'hub' OR EXISTS (SELECT FROM sessions s WHERE s.host = h.id
                AND s.ended_at IS NULL AND s.lease_until > (SELECT judged_at())) AS is_online,
            coalesce(p.name, sh.name) AS scope_name,
            CASE WHEN e.operation IS NOT NULL THEN e.state WHEN r.operation IS NOT NULL
                THEN 'running' WHEN w.operation IS NOT NULL THEN 'waiting' ELSE 'queued' END
                AS state,
            coalesce(f.phase, e.phase) AS phase, coalesce(r.epoch, e.epoch) AS epoch,
            coalesce(r.attempt, e.attempt, q.tries, d.tries, w.tries, 0) AS attempts,
            coalesce(e.begun_at, r.begun_at, r.claimed_at, q.begun_at, d.begun_at, w.begun_at)
                AS started_at,
            q.note, coalesce(w.reason, d.reason) AS reason,
            coalesce(w.sentence, d.sentence) AS sentence,
            coalesce(w.wake_at, d.due_at) AS next_try_at,
            coalesce(w.since, d.since, q.ready_at, o.created_at) AS waits_since, e.result,
            e.failure, e.cancel_confirmed, e.finished_at,
            coalesce(c.requested_at, e.cancel_requested_at) AS cancel_requested_at, g.progress,
            child.kind AS child_kind, child.host_name AS child_host, child.seen_at AS child_seen,
            child.is_online AS child_online, child.progress AS child_progress,
            child.count AS child_count, full_limit.resource AS full_resource,
            full_limit.places AS full_places, full_limit.used AS full_used,
            full_limit.name AS full_name,
            (SELECT x.operation FROM guards x WHERE o.scope_kind = 'copy'
                AND x.project = o.project AND x.operation <> o.root) AS guard
        FROM operations o
        LEFT JOIN hosts h ON h.id = CASE WHEN o.lane <> 'hub' THEN o.lane::uuid END
        LEFT JOIN host_status hs ON hs.host = h.id
        LEFT JOIN projects p ON p.id = o.project
        LEFT JOIN hosts sh ON o.scope_kind = 'host' AND sh.id = o.scope
        LEFT JOIN operation_live l ON l.operation = o.id
        LEFT JOIN operation_run r ON r.operation = o.id
        LEFT JOIN operation_waiting w ON w.operation = o.id
        LEFT JOIN operation_delayed d ON d.operation = o.id
        LEFT JOIN operation_ready q ON q.operation = o.id
        LEFT JOIN operation_workflow f ON f.operation = o.id
        LEFT JOIN operation_end e ON e.operation = o.id
        LEFT JOIN operation_cancel c ON c.operation = o.id
        LEFT JOIN operation_progress_latest g ON g.operation = o.id
        LEFT JOIN LATERAL (
            SELECT m.resource, m.places, count(s.operation) AS used,
                coalesce(mh.name, mb.name) AS name
            FROM limits m LEFT JOIN slots s ON s.resource = m.resource
            LEFT JOIN hosts mh ON m.resource LIKE 'host:%'
                AND mh.id::text = split_part(m.resource, ':', 2)
            LEFT JOIN buckets mb ON m.resource LIKE 'bucket:%'
                AND mb.id::text = split_part(m.resource, ':', 2)
            WHERE m.resource = ANY(operation_resources(l.kind, l.lane, l.bucket))
            GROUP BY m.resource, m.places, mh.name, mb.name
            HAVING count(s.operation) >= m.places
                AND count(*) FILTER (WHERE s.operation = o.id) = 0
            ORDER BY m.resource LIMIT 1
        ) full_limit ON q.operation IS NOT NULL
        LEFT JOIN LATERAL (
            SELECT y.kind, yh.name AS host_name, ys.seen_at, yg.progress,
                y.lane = 'hub' OR EXISTS (SELECT FROM sessions s WHERE s.host = yh.id
                    AND s.ended_at IS NULL AND s.lease_until > (SELECT judged_at())) AS is_online,
                count(*) OVER () AS count
            FROM operation_children k JOIN operation_live y ON y.operation = k.operation
            LEFT JOIN hosts yh ON yh.id = CASE WHEN y.lane <> 'hub' THEN y.lane::uuid END
            LEFT JOIN host_status ys ON ys.host = yh.id
            LEFT JOIN operation_progress_latest yg ON yg.operation = y.operation
            WHERE k.parent = o.id AND k.state IS NULL ORDER BY y.operation LIMIT 1
        ) child ON w.operation IS NOT NULL
        """

    /// One operation with its attempts and children.
    func operation(_ id: OperationID) async throws -> OperationDescription? {
        // 1.
        let result = try await transaction.query(
            "\(fragment: Self.selection) WHERE o.id = \(id)")
        guard let row = result.first else { return nil }
        var description = try OperationRow(row).description()
        description.attempts = try await attempts(of: id)
        description.children = try await children(of: id)
        return description
    }

    /// Some operations, at most 1,000, in no order.
    func operations(_ ids: [OperationID]) async throws -> [OperationDescription] {
        guard !ids.isEmpty else { return [] }
        let names = ids.prefix(1000).map(\.uuid)
        // 6.
        let result = try await transaction.query(
            "\(fragment: Self.selection) WHERE o.id = ANY(\(names)::text[]::uuid[])")
        return try result.rows.map { try OperationRow($0).description() }
    }

    /// The drains and batches that have not ended, newest first.
    func liveGroups(limit: Int) async throws -> [OperationID] {
        let kinds = OperationKind.allCases.filter(\.isGroup).map(\.rawValue)
        // 7.
        let result = try await transaction.query(
            """
            SELECT operation FROM operation_live WHERE kind = ANY(\(kinds)) AND parent IS NULL
            ORDER BY operation DESC LIMIT \(limit)
            """)
        return try result.rows.map { try $0.decode("operation") }
    }

    /// A page of operations, newest first.
    func operations(
        _ filter: OperationFilter, before: OperationID?, limit: Int
    ) async throws -> [OperationDescription] {
        // 2. What is not asked for is not part of the statement, so that its plan fits.
        var sql: PostgresQuery =
            "\(fragment: Self.selection) WHERE \(fragment: Self.condition(filter.state))"
        if !filter.includesChildren { sql.append(" AND o.parent IS NULL") }
        if let project = filter.project { sql.append(" AND o.project = \(project)") }
        if let host = filter.host { sql.append(" AND o.lane = \(host.uuid)") }
        if let kind = filter.kind { sql.append(" AND o.kind = \(kind.rawValue)") }
        if let before { sql.append(" AND o.id < \(before)") }
        sql.append(PostgresQuery(stringLiteral: " ORDER BY o.id DESC LIMIT \(limit)"))
        let result = try await transaction.query(sql)
        return try result.rows.map { try OperationRow($0).description() }
    }

    /// A workflow that is parked on its children counts as running, as people see it.
    private static func condition(_ state: OperationState?) -> PostgresQuery {
        switch state {
        case nil: "true"
        case .running:
            """
            (r.operation IS NOT NULL OR w.reason = 'children' AND EXISTS (
                SELECT FROM operation_children y JOIN operation_run yr USING (operation)
                WHERE y.parent = o.id))
            """
        case .queued:
            """
            (o.id IN (SELECT operation FROM operation_ready)
                OR o.id IN (SELECT operation FROM operation_delayed))
            """
        case .waiting: "w.operation IS NOT NULL"
        case .succeeded, .failed, .canceled, .expired: "e.state = \(state?.rawValue)::text"
        }
    }

    /// How many operations stand where.
    func counts() async throws -> OperationCounts {
        // 3.
        let result = try await transaction.query(
            """
            SELECT (SELECT count(*) FROM operation_ready)
                + (SELECT count(*) FROM operation_delayed) AS queued,
                (SELECT count(*) FROM operation_run) AS running,
                (SELECT count(*) FROM operation_waiting) AS waiting,
                (SELECT count(*) FROM operation_end e JOIN operations o ON o.id = e.operation
                    WHERE e.state = 'failed' AND o.parent IS NULL
                        AND e.finished_at > clock_timestamp() - interval '1 day') AS failed
            """)
        let row = try result.one()
        return OperationCounts(
            queued: try row.decode("queued"), running: try row.decode("running"),
            waiting: try row.decode("waiting"), failedInDay: try row.decode("failed"))
    }

    private func attempts(of id: OperationID) async throws -> [OperationAttempt] {
        // 4.
        let result = try await transaction.query(
            """
            SELECT attempt, epoch, owner, started_at, ended_at, ending FROM operation_leases
            WHERE operation = \(id)
            UNION ALL SELECT r.attempt, r.epoch, s.name, r.claimed_at, NULL, NULL
            FROM operation_run r JOIN sessions s ON s.id = r.session WHERE r.operation = \(id)
            ORDER BY epoch DESC LIMIT 100
            """)
        return try result.rows.reversed().map { row in
            OperationAttempt(
                attempt: try row.decode("attempt"), epoch: try row.decode("epoch"),
                owner: try row.decode("owner"), startedAt: try row.decode("started_at"),
                endedAt: try row.decode("ended_at"), end: try row.decode("ending"))
        }
    }

    private func children(of id: OperationID) async throws -> [OperationID] {
        // 5.
        let result = try await transaction.query(
            "SELECT id FROM operations WHERE parent = \(id) ORDER BY id LIMIT 1000")
        return try result.rows.map { try $0.decode("id") }
    }
}
