import Postgres
import Shared

/// Reads hosts with what their heartbeats say.
struct HostReader: Sendable {
    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    private static let selection: PostgresQuery = """
        SELECT h.id, h.name, h.region, h.enrolled_at, s.seen_at, s.status,
            EXISTS (SELECT FROM sessions x WHERE x.host = h.id AND x.ended_at IS NULL
                AND x.lease_until > (SELECT judged_at())) AS is_alive,
            EXISTS (SELECT FROM sessions x WHERE x.host = h.id AND x.ended_at IS NULL
                AND x.started_at <= s.seen_at) AS has_told,
            coalesce(n.total, 0) AS projects, coalesce(n.provisioned, 0) AS provisioned,
            coalesce(n.running, 0) AS running, h.is_schedulable,
            (SELECT d.operation FROM operation_live d WHERE d.kind = 'drain'
                AND d.scope = h.id AND d.dedupe_key = '') AS drain
        FROM hosts h LEFT JOIN host_status s ON s.host = h.id
            LEFT JOIN fleet_numbers n ON n.host = h.id
        """

    /// One host.
    func host(_ id: HostID) async throws -> HostDescription? {
        let result = try await transaction.query(
            "\(fragment: Self.selection) WHERE h.id = \(id)")
        return try result.first.map(description)
    }

    /// A page of the hosts, by name.
    ///
    /// - Parameters:
    ///   - after: the last name of the page before; empty for the first page.
    ///   - limit: 1 to 1,000.
    func hosts(after: String, limit: Int) async throws -> [HostDescription] {
        let result = try await transaction.query(
            """
            \(fragment: Self.selection) WHERE h.removed_at IS NULL AND h.name > \(after)
            ORDER BY h.name LIMIT \(limit)
            """)
        return try result.rows.map(description)
    }

    /// How many hosts there are of each state.
    func counts() async throws -> HostCounts {
        let result = try await transaction.query(
            """
            SELECT count(*) AS total, count(*) FILTER (WHERE h.enrolled_at IS NULL) AS expected,
                count(*) FILTER (WHERE h.enrolled_at IS NOT NULL AND a.host IS NULL) AS silent,
                count(*) FILTER (WHERE h.enrolled_at IS NOT NULL
                    AND (s.seen_at >= a.since) IS NOT TRUE AND a.host IS NOT NULL) AS arriving,
                count(*) FILTER (WHERE h.enrolled_at IS NOT NULL AND s.seen_at >= a.since
                    AND s.status->>'trouble' IS NOT NULL) AS troubled
            FROM hosts h LEFT JOIN host_status s ON s.host = h.id
                LEFT JOIN (SELECT host, min(started_at) AS since FROM sessions
                    WHERE ended_at IS NULL AND lease_until > (SELECT judged_at())
                    GROUP BY host) a ON a.host = h.id
            WHERE h.removed_at IS NULL
            """)
        let row = try result.one()
        let total = try row.decode("total", as: Int64.self)
        let expected = try row.decode("expected", as: Int64.self)
        let silent = try row.decode("silent", as: Int64.self)
        let troubled = try row.decode("troubled", as: Int64.self)
        let arriving = try row.decode("arriving", as: Int64.self)
        return HostCounts(
            ready: total - expected - silent - troubled - arriving, troubled: troubled,
            silent: silent, expected: expected, arriving: arriving)
    }

    private func description(_ row: PostgresRow) throws -> HostDescription {
        let status = try row.decode("status", as: JSONColumn<HostStatus>?.self)?.value
        let state: HostState
        if try row.decode("enrolled_at", as: Timestamp?.self) == nil {
            state = .expected
        } else if try !row.decode("is_alive", as: Bool.self) {
            state = .silent
        } else if try !row.decode("has_told", as: Bool.self) {
            state = .arriving
        } else {
            state = status?.trouble == nil ? .ready : .troubled
        }
        return HostDescription(
            id: try row.decode("id"), name: try row.decode("name"),
            region: try row.decode("region"), state: state, seenAt: try row.decode("seen_at"),
            projects: try row.decode("projects"), provisioned: try row.decode("provisioned"),
            running: try row.decode("running"), status: status,
            isSchedulable: try row.decode("is_schedulable"), drain: try row.decode("drain"))
    }
}
