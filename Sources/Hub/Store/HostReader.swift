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
                AND x.lease_until > clock_timestamp()) AS is_alive,
            (SELECT count(*) FROM placements l JOIN projects p ON p.id = l.project
                WHERE l.host = h.id AND p.deleted_at IS NULL) AS projects,
            (SELECT count(*) FROM placements l JOIN projects p ON p.id = l.project
                WHERE l.host = h.id AND l.is_provisioned AND p.deleted_at IS NULL) AS provisioned,
            (SELECT count(*) FROM placements l
                JOIN project_activity a ON a.project = l.project AND a.host = l.host
                    AND a.generation = l.generation
                WHERE l.host = h.id AND a.runtime = 'running') AS running
        FROM hosts h LEFT JOIN host_status s ON s.host = h.id
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

    private func description(_ row: PostgresRow) throws -> HostDescription {
        let status = try row.decode("status", as: JSONColumn<HostStatus>?.self)?.value
        let state: HostState
        if try row.decode("enrolled_at", as: Timestamp?.self) == nil {
            state = .expected
        } else if try !row.decode("is_alive", as: Bool.self) {
            state = .silent
        } else {
            state = status?.trouble == nil ? .ready : .troubled
        }
        return HostDescription(
            id: try row.decode("id"), name: try row.decode("name"),
            region: try row.decode("region"), state: state, seenAt: try row.decode("seen_at"),
            projects: try row.decode("projects"), provisioned: try row.decode("provisioned"),
            running: try row.decode("running"), status: status)
    }
}
