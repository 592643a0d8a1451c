import Postgres
import Shared

/// Reads projects with all that the registry and the hosts' reports say of them.
struct ProjectReader: Sendable {
    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    /// Everything a description needs, one row a project.
    ///
    /// Exposure is unknown, not zero, where the host has not reported on the placed generation, or
    /// is provisioned without saying.
    private static let selection: PostgresQuery = """
        SELECT p.id, p.name, p.owner, p.region, p.uid, p.gid, p.runtime, p.created_at,
            p.deleted_at, l.host, h.name AS host_name, l.generation, l.is_provisioned,
            a.runtime AS runtime_state, a.freshness, a.first_change_at,
            (SELECT b.taken_at FROM backups b
                WHERE b.project = p.id AND b.forgotten_at IS NULL
                ORDER BY b.taken_at DESC, b.id DESC LIMIT 1) AS last_backup,
            (extract(epoch FROM clock_timestamp() - a.first_change_at))::bigint AS exposure
        FROM projects p
        JOIN placements l ON l.project = p.id
        LEFT JOIN hosts h ON h.id = l.host
        LEFT JOIN project_activity a ON a.project = p.id AND a.host = l.host
            AND a.generation = l.generation
        """

    /// One project, deleted or not.
    func project(_ id: ProjectID) async throws -> ProjectDescription? {
        let result = try await transaction.query(
            "\(fragment: Self.selection) WHERE p.id = \(id)")
        return try result.first.map(description)
    }

    /// A page of the projects that live, by identity.
    ///
    /// - Parameters:
    ///   - after: the last identity of the page before; nil for the first page.
    ///   - host: only those placed there.
    ///   - limit: 1 to 1,000.
    func projects(
        after: ProjectID?, host: HostID?, limit: Int
    ) async throws -> [ProjectDescription] {
        let floor = after?.uuid ?? "00000000-0000-0000-0000-000000000000"
        let result = try await transaction.query(
            """
            \(fragment: Self.selection)
            WHERE p.deleted_at IS NULL AND p.id > \(floor)::uuid
                AND (\(host)::uuid IS NULL OR l.host = \(host)::uuid)
            ORDER BY p.id LIMIT \(limit)
            """)
        return try result.rows.map(description)
    }

    /// The project whose oldest change without a backup has waited longest.
    func worst() async throws -> ProjectDescription? {
        let result = try await transaction.query(
            """
            \(fragment: Self.selection)
            WHERE p.deleted_at IS NULL AND a.first_change_at IS NOT NULL
            ORDER BY a.first_change_at LIMIT 1
            """)
        return try result.first.map(description)
    }

    /// Projects by what is known of them.
    func counts() async throws -> ProjectCounts {
        let result = try await transaction.query(
            """
            SELECT count(*) AS total,
                count(*) FILTER (WHERE l.is_provisioned) AS provisioned,
                count(*) FILTER (WHERE l.is_provisioned IS NULL) AS provisioned_unknown,
                count(*) FILTER (WHERE a.runtime = 'running') AS running,
                count(*) FILTER (WHERE l.is_provisioned AND a.freshness = 'fresh') AS fresh,
                count(*) FILTER (WHERE l.is_provisioned AND a.freshness = 'dirty') AS dirty,
                count(*) FILTER (WHERE l.is_provisioned IS NOT false
                    AND coalesce(a.freshness, 'unknown') = 'unknown') AS unknown,
                count(*) FILTER (WHERE l.is_provisioned AND NOT EXISTS (
                    SELECT FROM backups b
                    WHERE b.project = p.id AND b.forgotten_at IS NULL)) AS never
            FROM projects p
            JOIN placements l ON l.project = p.id
            LEFT JOIN project_activity a ON a.project = p.id AND a.host = l.host
                AND a.generation = l.generation
            WHERE p.deleted_at IS NULL
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
