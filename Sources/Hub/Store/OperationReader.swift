import Postgres
import Shared

/// Reads operations for people.
struct OperationReader: Sendable {
    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    /// Where an operation stands and why it does not run; one statement, so one moment.
    private static let selection: PostgresQuery = """
        SELECT o.id, o.kind, o.scope_kind, o.scope, o.project, o.parent, o.max_attempts,
            o.created_by, o.created_at,
            CASE WHEN o.lane <> 'hub' THEN o.lane::uuid END AS host, h.name AS host_name,
            hs.seen_at, o.lane = 'hub' OR EXISTS (SELECT FROM sessions s WHERE s.host = h.id
                AND s.ended_at IS NULL AND s.lease_until > clock_timestamp()) AS is_online,
            coalesce(p.name, sh.name) AS scope_name,
            CASE WHEN e.operation IS NOT NULL THEN e.state WHEN r.operation IS NOT NULL
                THEN 'running' WHEN w.operation IS NOT NULL THEN 'waiting' ELSE 'queued' END
                AS state,
            f.phase, coalesce(r.epoch, e.epoch) AS epoch,
            (SELECT count(*) FROM operation_attempt a WHERE a.operation = o.id
                AND a.ending IS DISTINCT FROM 'waiting') AS attempts,
            (SELECT min(a.started_at) FROM operation_attempt a WHERE a.operation = o.id)
                AS started_at,
            (SELECT a.ending FROM operation_attempt a WHERE a.operation = o.id
                ORDER BY a.epoch DESC LIMIT 1) AS last_ending,
            coalesce(w.reason, d.reason) AS reason, coalesce(w.sentence, d.sentence) AS sentence,
            coalesce(w.wake_at, d.due_at) AS next_try_at,
            coalesce(w.since, q.ready_at, (SELECT max(a.ended_at) FROM operation_attempt a
                WHERE a.operation = o.id), o.created_at) AS waits_since, e.result, e.failure, e.cancel_confirmed,
            e.finished_at, c.requested_at AS cancel_requested_at, g.progress,
            child.kind AS child_kind, child.host_name AS child_host, child.seen_at AS child_seen,
            child.is_online AS child_online, child.progress AS child_progress,
            child.count AS child_count,
            (SELECT k.resource FROM (SELECT CASE
                    WHEN o.kind = 'move' THEN 'moves'
                    WHEN o.kind = 'volume.backup' THEN 'host:' || o.lane || ':backup'
                    WHEN o.kind IN ('volume.restore', 'volume.apply')
                        THEN 'host:' || o.lane || ':restore' END AS resource) k
                WHERE NOT EXISTS (SELECT FROM slots s WHERE s.operation = o.id
                    OR s.resource = k.resource AND s.operation IS NULL)) AS full_resource,
            (SELECT x.operation FROM guards x WHERE o.scope_kind = 'copy'
                AND x.project = o.project AND x.operation <> o.root) AS guard
        FROM operations o
        LEFT JOIN hosts h ON h.id = CASE WHEN o.lane <> 'hub' THEN o.lane::uuid END
        LEFT JOIN host_status hs ON hs.host = h.id
        LEFT JOIN projects p ON p.id = o.project
        LEFT JOIN hosts sh ON o.scope_kind = 'host' AND sh.id = o.scope
        LEFT JOIN operation_run r ON r.operation = o.id
        LEFT JOIN operation_waiting w ON w.operation = o.id
        LEFT JOIN operation_delayed d ON d.operation = o.id
        LEFT JOIN operation_ready q ON q.operation = o.id
        LEFT JOIN operation_workflow f ON f.operation = o.id
        LEFT JOIN operation_end e ON e.operation = o.id
        LEFT JOIN operation_cancel c ON c.operation = o.id
        LEFT JOIN operation_progress_latest g ON g.operation = o.id
        LEFT JOIN LATERAL (
            SELECT y.kind, yh.name AS host_name, ys.seen_at, yg.progress,
                y.lane = 'hub' OR EXISTS (SELECT FROM sessions s WHERE s.host = yh.id
                    AND s.ended_at IS NULL AND s.lease_until > clock_timestamp()) AS is_online,
                count(*) OVER () AS count
            FROM operations y JOIN operation_live yl ON yl.operation = y.id
            LEFT JOIN hosts yh ON yh.id = CASE WHEN y.lane <> 'hub' THEN y.lane::uuid END
            LEFT JOIN host_status ys ON ys.host = yh.id
            LEFT JOIN operation_progress_latest yg ON yg.operation = y.id
            WHERE y.parent = o.id ORDER BY y.id LIMIT 1
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

    /// A page of operations, newest first.
    func operations(
        _ filter: OperationFilter, before: OperationID?, limit: Int
    ) async throws -> [OperationDescription] {
        // 2.
        let result = try await transaction.query(
            """
            \(fragment: Self.selection)
            WHERE \(fragment: Self.condition(filter.state))
                AND (\(filter.includesChildren) OR o.parent IS NULL)
                AND (\(filter.project)::uuid IS NULL OR o.project = \(filter.project)::uuid)
                AND (\(filter.host)::uuid IS NULL OR o.lane = \(filter.host?.uuid)::text)
                AND (\(filter.kind?.rawValue)::text IS NULL
                    OR o.kind = \(filter.kind?.rawValue)::text)
                AND (\(before)::uuid IS NULL OR (o.created_at, o.id) < (SELECT x.created_at, x.id
                    FROM operations x WHERE x.id = \(before)::uuid))
            ORDER BY o.created_at DESC, o.id DESC LIMIT \(limit)
            """)
        return try result.rows.map { try OperationRow($0).description() }
    }

    /// A workflow that is parked on its children counts as running, as people see it.
    private static func condition(_ state: OperationState?) -> PostgresQuery {
        switch state {
        case nil: "true"
        case .running:
            """
            (r.operation IS NOT NULL OR w.reason = 'children' AND EXISTS (
                SELECT FROM operations y JOIN operation_run yr ON yr.operation = y.id
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
            SELECT attempt, epoch, owner, started_at, ended_at, ending FROM operation_attempt
            WHERE operation = \(id) ORDER BY epoch DESC LIMIT 100
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
            "SELECT id FROM operations WHERE parent = \(id) ORDER BY created_at, id LIMIT 1000")
        return try result.rows.map { try $0.decode("id") }
    }
}
