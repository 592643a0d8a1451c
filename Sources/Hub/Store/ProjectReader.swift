import Postgres
import Shared

/// Reads projects with all that the registry and the hosts' reports say of them.
struct ProjectReader: Sendable {
    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    /// A page of projects, and the cursor of the next one where there may be one.
    struct Found: Sendable {
        var projects: [ProjectDescription]
        var nextCursor: String?
    }

    /// Everything a description needs, one row a project.
    ///
    /// A deleted project has no standing. Exposure is unknown, not zero, where the host has not
    /// reported on the placed generation, or is provisioned without saying.
    private static let columns: PostgresQuery = """
        SELECT p.id, p.name, p.owner, p.region, p.uid, p.gid, p.runtime, p.created_at,
            p.deleted_at, l.host, (SELECT h.name FROM hosts h WHERE h.id = l.host) AS host_name,
            l.generation, l.is_provisioned,
            s.runtime AS runtime_state, s.freshness, s.last_backup, s.exposed_since,
            (extract(epoch FROM clock_timestamp() - s.exposed_since))::bigint AS exposure
        """

    /// One project, deleted or not.
    func project(_ id: ProjectID) async throws -> ProjectDescription? {
        // 1.
        let result = try await transaction.query(
            """
            \(fragment: Self.columns)
            FROM projects p JOIN placements l ON l.project = p.id
                LEFT JOIN project_standing s ON s.project = p.id
            WHERE p.id = \(id)
            """)
        return try result.first.map(description)
    }

    /// A page of the projects that live.
    ///
    /// - Throws: `Problem` 400 when the cursor is not one of this order.
    func projects(_ query: ProjectQuery) async throws -> Found {
        // 2.
        let page: PostgresQuery = """
            \(fragment: Self.columns)
            FROM project_standing s JOIN projects p ON p.id = s.project
                JOIN placements l ON l.project = s.project
            \(fragment: try query.conditions())
            """
        let isSearch = query.search != nil || query.prefix != nil
        let result =
            isSearch
            ? try await transaction.queryPlanned(page) : try await transaction.query(page)
        var found = Found(projects: try result.rows.map(description))
        if let last = found.projects.last, let row = result.rows.last,
            result.rows.count == query.limit
        {
            switch query.order {
            case .id: found.nextCursor = "\(last.id)"
            case .name: found.nextCursor = last.name
            case .exposure:
                let since = try row.decode("exposed_since", as: Timestamp.self)
                found.nextCursor = "\(since.milliseconds).\(last.id)"
            }
        }
        return found
    }

    /// The project whose oldest change without a backup has waited longest.
    func worst() async throws -> ProjectDescription? {
        try await projects(ProjectQuery(order: .exposure, limit: 1)).projects.first
    }

    /// Projects by what is known of them, from the numbers that are kept with every change.
    func counts() async throws -> ProjectCounts {
        // 3.
        let result = try await transaction.query(
            """
            SELECT coalesce(sum(total), 0)::bigint AS total,
                coalesce(sum(provisioned), 0)::bigint AS provisioned,
                coalesce(sum(provisioned_unknown), 0)::bigint AS provisioned_unknown,
                coalesce(sum(running), 0)::bigint AS running,
                coalesce(sum(fresh), 0)::bigint AS fresh,
                coalesce(sum(dirty), 0)::bigint AS dirty,
                coalesce(sum(freshness_unknown), 0)::bigint AS unknown,
                coalesce(sum(never), 0)::bigint AS never
            FROM fleet_numbers
            """)
        let row = try result.one()
        return ProjectCounts(
            total: try row.decode("total"), provisioned: try row.decode("provisioned"),
            provisionedUnknown: try row.decode("provisioned_unknown"),
            running: try row.decode("running"), fresh: try row.decode("fresh"),
            dirty: try row.decode("dirty"), freshnessUnknown: try row.decode("unknown"),
            never: try row.decode("never"))
    }

    private func description(_ row: PostgresRow) throws -> ProjectDescription {
        let freshness = try row.decode("freshness", as: String?.self)
        let runtimeState = try row.decode("runtime_state", as: String?.self)
        let exposure = try row.decode("exposure", as: Int64?.self)
        let known = freshness.flatMap { Freshness(rawValue: $0) } ?? .unknown
        return ProjectDescription(
            id: try row.decode("id"), name: try row.decode("name"),
            owner: try row.decode("owner"), region: try row.decode("region"),
            uid: UInt32(clamping: try row.decode("uid", as: Int64.self)),
            gid: UInt32(clamping: try row.decode("gid", as: Int64.self)),
            host: try row.decode("host"), hostName: try row.decode("host_name"),
            generation: try row.decode("generation"),
            provisioned: try row.decode("is_provisioned"),
            runtime: try row.decode("runtime", as: JSONColumn<RuntimeDescription>.self).value,
            runtimeState: runtimeState.flatMap { RuntimeState(rawValue: $0) },
            freshness: known,
            exposureSeconds: known == .fresh ? 0 : exposure.map { max(0, $0) },
            lastBackup: try row.decode("last_backup"), createdAt: try row.decode("created_at"),
            deletedAt: try row.decode("deleted_at"))
    }
}
