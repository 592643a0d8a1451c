import Postgres
import Shared

/// What a drain has to know of hosts.
struct DrainStore: Sendable {
    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    /// Locks a host, so that projects that are being placed on it are there before it is closed.
    ///
    /// - Returns: whether projects may be placed on it; nil when there is no such host.
    func lock(_ host: HostID) async throws -> Bool? {
        // 1.
        let result = try await transaction.query(
            """
            SELECT is_schedulable FROM hosts WHERE id = \(host) AND removed_at IS NULL
            FOR NO KEY UPDATE
            """)
        return try result.first?.decode("is_schedulable")
    }

    /// Hosts that may take projects of `source`, the most room first.
    func targets(of source: HostID, among chosen: [HostID]) async throws -> [DrainPlan.Target] {
        let names = chosen.map(\.uuid)
        // 2.
        let result = try await transaction.query(
            """
            SELECT h.id, h.name, (s.status->>'freeBytes')::bigint AS free
            FROM hosts h JOIN host_status s ON s.host = h.id
            WHERE h.is_schedulable AND h.removed_at IS NULL AND h.id <> \(source)
                AND s.status->>'trouble' IS NULL
                AND EXISTS (SELECT FROM sessions x WHERE x.host = h.id AND x.ended_at IS NULL
                    AND x.lease_until > (SELECT judged_at()) AND x.started_at <= s.seen_at)
                AND (CASE WHEN \(names.isEmpty)
                    THEN h.region = (SELECT z.region FROM hosts z WHERE z.id = \(source))
                    ELSE h.id = ANY(\(names)::text[]::uuid[]) END)
            ORDER BY free DESC, h.id LIMIT 50
            """)
        return try result.rows.map {
            DrainPlan.Target(
                host: try $0.decode("id"), name: try $0.decode("name"),
                freeBytes: try $0.decode("free"))
        }
    }

    /// How many moves to a host have not ended.
    func incoming(_ host: HostID) async throws -> Int {
        let written = "\(host)"
        // 3.
        let result = try await transaction.query(
            """
            SELECT count(*) AS count FROM operation_live l JOIN operations o ON o.id = l.operation
            WHERE l.kind = 'move' AND o.input->>'target' = \(written)
            """)
        return try result.one().decode("count")
    }

    /// What a host answered to a drain's questions.
    func contents(for drain: OperationID) async throws -> [String: ChildOutcome?] {
        // 4.
        let result = try await transaction.query(
            """
            SELECT o.child_key, e.state, e.result, e.failure FROM operations o
            LEFT JOIN operation_end e ON e.operation = o.id
            WHERE o.parent = \(drain) AND o.kind = 'host.inventory'
            ORDER BY o.created_at DESC LIMIT 10
            """)
        var contents: [String: ChildOutcome?] = [:]
        for row in result.rows {
            contents[try row.decode("child_key")] = .some(try row.childOutcome())
        }
        return contents
    }

    /// What there is on a host, in numbers.
    func plan(_ host: HostDescription, among chosen: [HostID]) async throws -> DrainPlan {
        // 5.
        let row = try await transaction.query(
            """
            SELECT count(*) AS projects,
                count(*) FILTER (WHERE s.is_provisioned IS NOT FALSE) AS provisioned,
                count(*) FILTER (WHERE s.runtime = 'running') AS running,
                count(*) FILTER (WHERE s.freshness = 'fresh' AND s.is_provisioned IS NOT FALSE)
                    AS fresh,
                count(*) FILTER (WHERE s.freshness <> 'fresh' AND s.is_provisioned IS NOT FALSE
                    AND s.last_backup IS NOT NULL) AS exposed,
                count(*) FILTER (WHERE s.is_provisioned IS NOT FALSE AND s.last_backup IS NULL)
                    AS never,
                coalesce(sum((SELECT b.bytes FROM backups b WHERE b.project = s.project
                    AND b.forgotten_at IS NULL ORDER BY b.taken_at DESC, b.id DESC LIMIT 1)),
                    0)::bigint AS bytes
            FROM project_standing s WHERE s.host = \(host.id)
            """
        ).one()
        return DrainPlan(
            host: host.id, hostName: host.name, state: host.state, seenAt: host.seenAt,
            projects: try row.decode("projects"), provisioned: try row.decode("provisioned"),
            running: try row.decode("running"), fresh: try row.decode("fresh"),
            exposed: try row.decode("exposed"), never: try row.decode("never"),
            bytes: try row.decode("bytes"), atRisk: try await atRisk(on: host.id),
            targets: try await targets(of: host.id, among: chosen))
    }

    /// The names of projects on a host that no backup holds wholly, the worst first.
    private func atRisk(on host: HostID) async throws -> [String] {
        // 6.
        let result = try await transaction.query(
            """
            SELECT p.name FROM project_standing s JOIN projects p ON p.id = s.project
            WHERE s.host = \(host) AND s.is_provisioned IS NOT FALSE
                AND (s.freshness <> 'fresh' OR s.last_backup IS NULL)
            ORDER BY s.last_backup IS NOT NULL, s.exposed_since NULLS LAST, p.name LIMIT 20
            """)
        return try result.rows.map { try $0.decode("name") }
    }
}
