import Postgres
import Shared

/// What is known of volumes by their hosts' reports.
struct VolumeReportStore: Sendable {
    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    /// A project's placement; nil for a project that nobody knows.
    func placement(of project: ProjectID) async throws -> VolumePlacement? {
        try await placements(of: [project])[project]
    }

    /// The placements of projects, without those that nobody knows.
    ///
    /// Locked in one order for every batch, so that whoever places one of them anew comes before
    /// or behind all that is done with it here.
    func placements(of projects: [ProjectID]) async throws -> [ProjectID: VolumePlacement] {
        // 1.
        let result = try await transaction.query(
            """
            SELECT l.project, l.host, l.generation, l.is_provisioned,
                p.deleted_at IS NOT NULL AS is_deleted,
                EXISTS (SELECT FROM guards g WHERE g.project = p.id) AS is_guarded
            FROM placements l JOIN projects p ON p.id = l.project
            WHERE l.project = ANY(\(projects.map(\.uuid))::uuid[])
            ORDER BY l.project FOR NO KEY UPDATE OF l
            """)
        var placements: [ProjectID: VolumePlacement] = [:]
        for row in result.rows {
            placements[try row.decode("project")] = VolumePlacement(
                host: try row.decode("host"), generation: try row.decode("generation"),
                isProvisioned: try row.decode("is_provisioned"),
                isDeleted: try row.decode("is_deleted"), isGuarded: try row.decode("is_guarded"))
        }
        return placements
    }

    /// Notes what a host sees of volumes that are placed there, each of another project, and ends
    /// their quarantine.
    func observe(_ observed: [VolumeReports.Observed], host: HostID) async throws {
        let volumes = observed.map(\.volume)
        let projects = volumes.map(\.project.uuid)
        // 2. One statement a batch; an empty text stands for null.
        try await transaction.query(
            """
            INSERT INTO project_activity AS a (project, host, generation, transid, covered_transid,
                subvolume, freshness, first_change_at, runtime, base, is_frozen, observed_at)
            SELECT project::uuid, \(host)::uuid, generation, transid,
                nullif(covered, '')::bigint, subvolume, freshness,
                nullif(first_change, '')::timestamptz, runtime, nullif(base, '')::uuid, is_frozen,
                observed::timestamptz
            FROM unnest(\(projects), \(volumes.map(\.generation)), \(volumes.map(\.transid)),
                \(volumes.map { $0.coveredTransid.map(String.init) ?? "" }),
                \(volumes.map(\.subvolume)), \(volumes.map(\.freshness.rawValue)),
                \(volumes.map { $0.firstChangeAt?.description ?? "" }),
                \(volumes.map(\.runtime.rawValue)), \(volumes.map { $0.base?.uuid ?? "" }),
                \(volumes.map(\.isFrozen)), \(observed.map(\.time.description)))
                AS given (project, generation, transid, covered, subvolume, freshness,
                    first_change, runtime, base, is_frozen, observed)
            ORDER BY project
            ON CONFLICT (project) DO UPDATE SET host = excluded.host,
                generation = excluded.generation, transid = excluded.transid,
                covered_transid = excluded.covered_transid, subvolume = excluded.subvolume,
                freshness = excluded.freshness, first_change_at = excluded.first_change_at,
                runtime = excluded.runtime, base = excluded.base,
                is_frozen = excluded.is_frozen, observed_at = excluded.observed_at
            """)
        // 3.
        try await transaction.query(
            """
            DELETE FROM quarantined_volumes
            WHERE host = \(host) AND project = ANY(\(projects)::uuid[])
            """)
    }

    /// Forgets what was known of a volume that is gone.
    func forget(_ project: ProjectID, host: HostID) async throws {
        // 4.
        try await transaction.query(
            "DELETE FROM project_activity WHERE project = \(project) AND host = \(host)")
    }

    /// Notes a volume that does not belong where it is.
    func quarantine(
        _ project: ProjectID, generation: Int64, host: HostID, reason: String
    ) async throws {
        // 5.
        try await transaction.query(
            """
            INSERT INTO quarantined_volumes (host, project, generation, reason, seen_at)
            VALUES (\(host), \(project), \(generation), \(reason), clock_timestamp())
            ON CONFLICT (host, project) DO UPDATE SET generation = excluded.generation,
                reason = excluded.reason, seen_at = excluded.seen_at
            """)
    }

    /// Ends a volume's quarantine: it is gone, or it belongs here.
    func release(_ project: ProjectID, host: HostID) async throws {
        // 6.
        try await transaction.query(
            "DELETE FROM quarantined_volumes WHERE host = \(host) AND project = \(project)")
    }

    /// The projects whose volumes are said or known to be on a host.
    func known(at host: HostID) async throws -> [ProjectID] {
        // 7.
        let result = try await transaction.query(
            """
            SELECT project FROM placements WHERE host = \(host) AND is_provisioned IS NOT FALSE
            UNION SELECT project FROM project_activity WHERE host = \(host)
            UNION SELECT project FROM quarantined_volumes WHERE host = \(host)
            ORDER BY project
            """)
        return try result.rows.map { try $0.decode("project") }
    }
}
