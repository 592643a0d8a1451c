import Postgres
import Shared

/// The items of operations with many projects.
struct GroupStore: Sendable {
    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    // MARK: Changing items

    /// Takes in whatever is placed on a host, also what came back.
    func include(placedOn host: HostID, in parent: OperationID) async throws {
        // 1.
        try await transaction.query(
            """
            INSERT INTO group_items AS i (parent, project, state)
            SELECT \(parent)::uuid, l.project, 'pending' FROM placements l
            JOIN projects p ON p.id = l.project
            WHERE l.host = \(host) AND p.deleted_at IS NULL
            ON CONFLICT (parent, project) DO UPDATE SET state = 'pending',
                due_at = clock_timestamp(), reason = NULL, sentence = NULL
            WHERE i.state IN ('done', 'deferred', 'skipped')
            """)
        // 2. What somebody moved or deleted meanwhile needs nothing any more.
        try await transaction.query(
            """
            UPDATE group_items i SET state = 'done', reason = NULL, sentence = NULL
            WHERE i.parent = \(parent) AND i.state IN ('pending', 'blocked', 'failed')
                AND NOT EXISTS (SELECT FROM placements l JOIN projects p ON p.id = l.project
                    WHERE l.project = i.project AND l.host = \(host) AND p.deleted_at IS NULL)
            """)
    }

    /// Takes in the projects that a query finds.
    ///
    /// - Returns: how many.
    func include(_ query: ProjectQuery, in parent: OperationID) async throws -> Int {
        // 3.
        let result = try await transaction.query(
            """
            INSERT INTO group_items (parent, project, state)
            SELECT \(parent)::uuid, f.project, 'pending' FROM (
                SELECT s.project FROM project_standing s JOIN projects p ON p.id = s.project
                \(fragment: try query.conditions())) f
            """)
        return result.affectedRows
    }

    /// An operation works on an item.
    func begin(
        _ project: ProjectID, of parent: OperationID, operation: OperationID, target: HostID?
    ) async throws {
        // 4.
        try await transaction.query(
            """
            UPDATE group_items SET state = 'running', tries = tries + 1,
                operation = \(operation), target = \(target)::uuid, reason = NULL, sentence = NULL
            WHERE parent = \(parent) AND project = \(project)
            """)
    }

    /// Notes how an item stands.
    func settle(
        _ project: ProjectID, of parent: OperationID, _ verdict: GroupVerdict
    ) async throws {
        let pause = verdict.afterMilliseconds
        // 5.
        try await transaction.query(
            """
            UPDATE group_items SET state = \(verdict.state.rawValue), reason = \(verdict.reason),
                sentence = \(verdict.sentence),
                due_at = clock_timestamp() + \(pause) * interval '1 millisecond'
            WHERE parent = \(parent) AND project = \(project)
            """)
    }

    // MARK: Reading them

    func counts(of parent: OperationID) async throws -> ItemCounts {
        // 6.
        let result = try await transaction.query(
            """
            SELECT state, count(*) AS count FROM group_items WHERE parent = \(parent)
            GROUP BY state
            """)
        var counts = ItemCounts()
        for row in result.rows {
            let count = try row.decode("count", as: Int64.self)
            switch ItemState(rawValue: try row.decode("state", as: String.self)) {
            case .pending: counts.pending = count
            case .blocked: counts.blocked = count
            case .running: counts.running = count
            case .done: counts.done = count
            case .deferred: counts.deferred = count
            case .failed: counts.failed = count
            case .skipped: counts.skipped = count
            case nil: throw HubError(.database, "an item has an unknown state")
            }
        }
        return counts
    }

    /// The items at work, with how their operations stand.
    func atWork(of parent: OperationID) async throws -> [GroupItem] {
        // 7.
        let result = try await transaction.query(
            """
            SELECT i.project, p.name, i.operation, i.tries, i.target,
                o.parent IS NOT DISTINCT FROM i.parent AS is_own, f.phase,
                e.state, e.result, e.failure, c.operation IS NOT NULL AS is_canceled,
                coalesce((SELECT b.bytes FROM backups b WHERE b.project = i.project
                    AND b.forgotten_at IS NULL ORDER BY b.taken_at DESC, b.id DESC LIMIT 1), 0)
                    AS bytes
            FROM group_items i JOIN projects p ON p.id = i.project
            LEFT JOIN operations o ON o.id = i.operation
            LEFT JOIN operation_workflow f ON f.operation = i.operation
            LEFT JOIN operation_end e ON e.operation = i.operation
            LEFT JOIN operation_cancel c ON c.operation = i.operation
            WHERE i.parent = \(parent) AND i.state = 'running' ORDER BY i.project
            """)
        return try result.rows.map { row in
            GroupItem(
                project: try row.decode("project"), name: try row.decode("name"),
                operation: try row.decode("operation"), isOwn: try row.decode("is_own"),
                outcome: try row.childOutcome(), phase: try row.decode("phase"),
                isCancelRequested: try row.decode("is_canceled"), tries: try row.decode("tries"),
                target: try row.decode("target"), bytes: try row.decode("bytes"))
        }
    }

    /// The items whose time has come, those that have waited longest first.
    func due(of parent: OperationID, limit: Int) async throws -> [GroupCandidate] {
        // 8.
        let result = try await transaction.query(
            """
            SELECT i.project, p.name, i.tries, l.is_provisioned, s.freshness, b.id AS backup,
                coalesce(b.bytes, 0) AS bytes
            FROM group_items i JOIN projects p ON p.id = i.project
            JOIN placements l ON l.project = i.project
            LEFT JOIN project_standing s ON s.project = i.project
            LEFT JOIN LATERAL (SELECT x.id, x.bytes FROM backups x WHERE x.project = i.project
                AND x.forgotten_at IS NULL ORDER BY x.taken_at DESC, x.id DESC LIMIT 1) b ON true
            WHERE i.parent = \(parent) AND i.state IN ('pending', 'blocked')
                AND i.due_at <= clock_timestamp()
            ORDER BY i.due_at, i.project LIMIT \(limit)
            """)
        return try result.rows.map { row in
            let freshness = try row.decode("freshness", as: String?.self)
            return GroupCandidate(
                project: try row.decode("project"), name: try row.decode("name"),
                tries: try row.decode("tries"), isProvisioned: try row.decode("is_provisioned"),
                freshness: freshness.flatMap { Freshness(rawValue: $0) } ?? .unknown,
                hasBackup: try row.decode("backup", as: BackupID?.self) != nil,
                bytes: try row.decode("bytes"))
        }
    }

    /// When the next item is due.
    func nextDue(of parent: OperationID) async throws -> Timestamp? {
        // 9.
        let result = try await transaction.query(
            """
            SELECT due_at FROM group_items
            WHERE parent = \(parent) AND state IN ('pending', 'blocked')
                AND due_at > clock_timestamp() ORDER BY due_at LIMIT 1
            """)
        return try result.first?.decode("due_at")
    }

    /// A page of items in the order of their projects' identities, only of one state where it is
    /// given.
    func items(
        of parent: OperationID, _ state: ItemState?, after: ProjectID?, limit: Int
    ) async throws -> [ItemDescription] {
        // 10.
        let result = try await transaction.query(
            """
            SELECT i.project, p.name, i.state, i.tries, i.operation, i.target,
                h.name AS target_name, i.reason, i.sentence,
                CASE WHEN i.state = 'blocked' THEN i.due_at END AS next_try
            FROM group_items i JOIN projects p ON p.id = i.project
            LEFT JOIN hosts h ON h.id = i.target
            WHERE i.parent = \(parent)
                AND (\(state?.rawValue)::text IS NULL OR i.state = \(state?.rawValue)::text)
                AND (\(after)::uuid IS NULL OR i.project > \(after)::uuid)
            ORDER BY i.project LIMIT \(limit)
            """)
        return try result.rows.map { row in
            guard let state = ItemState(rawValue: try row.decode("state")) else {
                throw HubError(.database, "an item has an unknown state")
            }
            return ItemDescription(
                project: try row.decode("project"), name: try row.decode("name"), state: state,
                tries: try row.decode("tries"), operation: try row.decode("operation"),
                target: try row.decode("target"), targetName: try row.decode("target_name"),
                reason: try row.decode("reason"), sentence: try row.decode("sentence"),
                nextTryAt: try row.decode("next_try"))
        }
    }

    /// One item that does not go on, with why.
    func blocked(of parent: OperationID) async throws -> (name: String, sentence: String)? {
        // 11.
        let result = try await transaction.query(
            """
            SELECT p.name, i.sentence FROM group_items i JOIN projects p ON p.id = i.project
            WHERE i.parent = \(parent) AND i.state IN ('blocked', 'failed')
                AND i.sentence IS NOT NULL
            ORDER BY i.state, i.project LIMIT 1
            """)
        return try result.first.map { (try $0.decode("name"), try $0.decode("sentence")) }
    }

    /// Forgets the items of operations that are not there any more.
    func sweep() async throws {
        // 12.
        try await transaction.query(
            """
            DELETE FROM group_items i WHERE NOT EXISTS (
                SELECT FROM operations o WHERE o.id = i.parent)
            """)
    }
}
