import Postgres
import Shared

/// Reads the facts that workflows decide by.
struct WorkflowFactsReader: Sendable {
    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    /// The database's time.
    func now() async throws -> Timestamp {
        // 1.
        let result = try await transaction.query(
            "SELECT date_trunc('milliseconds', clock_timestamp()) AS time")
        return try result.one().decode("time")
    }

    /// A project for the operation `root`.
    ///
    /// - Parameters:
    ///   - target: where it is to go, for what stands in the way there.
    ///   - isKept: whether its placement is kept as it is until the transaction ends, so that
    ///     whoever changes it finds the operation parked and wakes it.
    func project(
        _ id: ProjectID, for root: OperationID, target: HostID?, isKept: Bool = false
    ) async throws -> ProjectFacts? {
        if isKept {
            // 6.
            try await transaction.query(
                "SELECT project FROM placements WHERE project = \(id) FOR SHARE")
        }
        // 2.
        let result = try await transaction.query(
            """
            SELECT p.id, p.name, p.uid, p.gid, p.runtime, p.is_wanted_running,
                p.deleted_at IS NOT NULL AS is_deleted, l.host, l.generation, l.is_provisioned,
                a.freshness, a.runtime AS runtime_state, g.operation AS guardian,
                b.id AS backup, b.snapshot, b.root_tree, b.taken_at,
                v.id AS base, v.snapshot AS base_snapshot, v.root_tree AS base_root,
                v.taken_at AS base_taken_at,
                coalesce(k.finding_count > 0 OR b.recorded_at <= k.damaged_at, false)
                    AS distrusts_backup,
                coalesce(k.finding_count > 0 OR v.recorded_at <= k.damaged_at, false)
                    AS distrusts_base
            FROM projects p
            JOIN placements l ON l.project = p.id
            LEFT JOIN project_activity a ON a.project = p.id AND a.host = l.host
                AND a.generation = l.generation
            LEFT JOIN backups v ON v.id = a.base AND v.project = p.id AND v.forgotten_at IS NULL
            LEFT JOIN guards g ON g.project = p.id AND g.operation <> \(root)
            LEFT JOIN LATERAL (
                SELECT x.id, x.snapshot, x.root_tree, x.taken_at, x.recorded_at FROM backups x
                WHERE x.project = p.id AND x.forgotten_at IS NULL
                ORDER BY x.taken_at DESC, x.id DESC LIMIT 1
            ) b ON true
            LEFT JOIN repositories r ON r.project = p.id AND r.retired_at IS NULL
            LEFT JOIN repository_checks k ON k.repository = r.id
            WHERE p.id = \(id)
            """)
        guard let row = result.first,
            let host = try await host(try row.decode("host"))
        else { return nil }
        let newest = try Self.backup(row, of: id, "backup", "snapshot", "root_tree", "taken_at")
        let base = try Self.backup(
            row, of: id, "base", "base_snapshot", "base_root", "base_taken_at")
        var distrusted: Set<BackupID> = []
        if let newest, try row.decode("distrusts_backup") { distrusted.insert(newest.id) }
        if let base, try row.decode("distrusts_base") { distrusted.insert(base.id) }
        let freshness = try row.decode("freshness", as: String?.self)
        let runtimeState = try row.decode("runtime_state", as: String?.self)
        return ProjectFacts(
            id: id, name: try row.decode("name"),
            uid: UInt32(clamping: try row.decode("uid", as: Int64.self)),
            gid: UInt32(clamping: try row.decode("gid", as: Int64.self)),
            runtime: try row.decode("runtime", as: JSONColumn<RuntimeDescription>.self).value,
            isDeleted: try row.decode("is_deleted"),
            isWantedRunning: try row.decode("is_wanted_running"), host: host,
            generation: try row.decode("generation"),
            isProvisioned: try row.decode("is_provisioned"), newestBackup: newest, volumeBase: base,
            distrusted: distrusted,
            freshness: freshness.flatMap { Freshness(rawValue: $0) } ?? .unknown,
            runtimeState: runtimeState.flatMap { RuntimeState(rawValue: $0) },
            guardian: try row.decode("guardian"),
            blockers: try await blockers(of: id, for: root, target: target),
            pendingCopies: try await copies(
                "c.destination = \(id) AND c.state IN ('pending', 'applying')"))
    }

    /// The backup that a row has in these columns; nil where it has none.
    private static func backup(
        _ row: PostgresRow, of project: ProjectID, _ id: String, _ snapshot: String,
        _ rootTree: String, _ takenAt: String
    ) throws -> BackupReference? {
        guard let backup = try row.decode(id, as: BackupID?.self) else { return nil }
        return BackupReference(
            id: backup, project: project, snapshot: try row.decode(snapshot),
            rootTree: try row.decode(rootTree), takenAt: try row.decode(takenAt))
    }

    /// A host with whether its agent is there.
    func host(_ id: HostID) async throws -> HostFacts? {
        // 3.
        let result = try await transaction.query(
            """
            SELECT h.name, EXISTS (SELECT FROM sessions s WHERE s.host = h.id
                AND s.ended_at IS NULL AND s.lease_until > (SELECT judged_at())) AS is_online
            FROM hosts h WHERE h.id = \(id)
            """)
        return try result.first.map { row in
            HostFacts(
                id: id, name: try row.decode("name"), isOnline: try row.decode("is_online"))
        }
    }

    /// The copies that an operation created, in order; kept as they are until the transaction
    /// ends, so that whoever ends one finds the operation parked and wakes it.
    func copies(of operation: OperationID) async throws -> [CopyFacts] {
        // 7.
        try await transaction.query(
            """
            SELECT id FROM copies WHERE operation = \(operation) ORDER BY id FOR NO KEY UPDATE
            """)
        return try await copies("c.operation = \(operation)")
    }

    /// Other operations at work on a project: living workflows that do not wait on other
    /// projects, whatever runs on a host, and what still cleans up where the project is to go.
    private func blockers(
        of project: ProjectID, for root: OperationID, target: HostID?
    ) async throws -> [ProjectFacts.Blocker] {
        // 4.
        let result = try await transaction.query(
            """
            SELECT l.operation AS id, l.kind FROM operation_live l
            WHERE l.project = \(project) AND l.root <> \(root) AND (
                l.root = l.operation AND l.lane = 'hub'
                    AND l.kind NOT IN ('copy', 'check', 'forget', 'prune')
                    AND (l.dedupe_key = '' OR l.kind IN ('import', 'execute'))
                OR l.lane <> 'hub' AND EXISTS (SELECT FROM operation_run r
                    WHERE r.operation = l.operation)
                OR l.kind = 'volume.retire' AND l.lane = \(target?.uuid)::text)
            ORDER BY l.operation LIMIT 10
            """)
        return try result.rows.map {
            ProjectFacts.Blocker(operation: try $0.decode("id"), kind: try $0.decode("kind"))
        }
    }

    private func copies(_ condition: PostgresQuery) async throws -> [CopyFacts] {
        // 5.
        let result = try await transaction.query(
            """
            SELECT c.id, c.operation, c.source, c.source_path, c.destination, c.destination_path,
                c.overwrite, c.state, b.id AS backup, b.snapshot, b.root_tree, b.taken_at,
                l.root AS applied_by
            FROM copies c
            JOIN backups b ON b.id = c.backup
            LEFT JOIN operation_live l ON l.kind = 'volume.apply' AND l.scope = c.id
                AND l.dedupe_key = ''
            WHERE \(fragment: condition) ORDER BY c.created_at, c.id LIMIT 1000
            """)
        return try result.rows.map(copy)
    }

    private func copy(_ row: PostgresRow) throws -> CopyFacts {
        let state = try row.decode("state", as: String.self)
        let overwrite = try row.decode("overwrite", as: String.self)
        guard let state = CopyState(rawValue: state),
            let overwrite = Overwrite(rawValue: overwrite)
        else { throw HubError(.database, "a copy has the unknown state \(state)") }
        return CopyFacts(
            id: try row.decode("id"), operation: try row.decode("operation"),
            backup: BackupReference(
                id: try row.decode("backup"), project: try row.decode("source"),
                snapshot: try row.decode("snapshot"), rootTree: try row.decode("root_tree"),
                takenAt: try row.decode("taken_at")),
            sourcePath: try row.decode("source_path", as: JSONColumn<ProjectPath>.self).value,
            destination: try row.decode("destination"),
            destinationPath: try row.decode(
                "destination_path", as: JSONColumn<ProjectPath>.self
            ).value, overwrite: overwrite, state: state,
            appliedBy: try row.decode("applied_by"))
    }
}
