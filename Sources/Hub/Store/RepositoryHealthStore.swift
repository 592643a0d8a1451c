import Postgres
import Shared

/// What checks have found out about repositories.
struct RepositoryHealthStore: Sendable {
    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    /// When each pack was last read and found sound, as milliseconds since 1970.
    func packReads(of repository: RepositoryID) async throws -> [String: Int64] {
        // 1.
        let result = try await transaction.query(
            """
            SELECT pack, (extract(epoch FROM read_at) * 1000)::bigint AS milliseconds
            FROM repository_pack_reads WHERE repository = \(repository)
            """)
        var reads: [String: Int64] = [:]
        for row in result.rows {
            reads[try row.decode("pack")] = try row.decode("milliseconds", as: Int64.self)
        }
        return reads
    }

    /// Notes that packs were read now; what was found is in the check's result.
    func note(_ packs: [String], of repository: RepositoryID) async throws {
        guard !packs.isEmpty else { return }
        // 2.
        try await transaction.query(
            """
            INSERT INTO repository_pack_reads (repository, pack, read_at)
            SELECT \(repository), pack, clock_timestamp() FROM unnest(\(packs)::text[]) AS p (pack)
            ON CONFLICT (repository, pack) DO UPDATE SET read_at = excluded.read_at
            """)
    }

    /// Forgets packs that are gone.
    func drop(_ packs: [String], of repository: RepositoryID) async throws {
        guard !packs.isEmpty else { return }
        // 3.
        try await transaction.query(
            """
            DELETE FROM repository_pack_reads
            WHERE repository = \(repository) AND pack = ANY (\(packs)::text[])
            """)
    }

    /// Notes how a check of a project's repository ended.
    ///
    /// What a check found wrong stays until one finds something else or reads everything: a sample
    /// that did not meet the damage says nothing about it.
    func record(
        _ result: CheckResult, reading: CheckRequest.Reading, of project: ProjectID
    ) async throws {
        let document = try JSONColumn(result)
        // 4.
        try await transaction.query(
            """
            INSERT INTO repository_checks (repository, finished_at, reading, finding_count, result,
                damaged_at)
            SELECT id, clock_timestamp(), \(reading.rawValue), \(Int64(result.findingCount)),
                \(document)::jsonb, CASE WHEN \(Int64(result.findingCount)) > 0
                    THEN clock_timestamp() END
            FROM repositories WHERE project = \(project) AND retired_at IS NULL
            ON CONFLICT (repository) DO UPDATE SET finished_at = excluded.finished_at,
                reading = excluded.reading, finding_count = excluded.finding_count,
                result = excluded.result,
                damaged_at = coalesce(excluded.damaged_at, repository_checks.damaged_at)
            WHERE repository_checks.finding_count = 0 OR excluded.finding_count > 0
                OR excluded.reading = 'all'
            """)
    }

    /// How many things the last check of a repository found wrong; nil when it was never checked.
    func findingCount(of repository: RepositoryID) async throws -> Int64? {
        // 5.
        let result = try await transaction.query(
            "SELECT finding_count FROM repository_checks WHERE repository = \(repository)")
        return try result.first?.decode("finding_count")
    }

    /// The snapshots of a repository's backups: those that are there, and whether they are
    /// forgotten.
    func snapshots(of repository: RepositoryID) async throws -> [(name: String, isLive: Bool)] {
        // 6.
        let result = try await transaction.query(
            """
            SELECT snapshot, forgotten_at IS NULL AS is_live FROM backups
            WHERE repository = \(repository)
            """)
        return try result.rows.map {
            (name: try $0.decode("snapshot"), isLive: try $0.decode("is_live"))
        }
    }

    /// The backups of a project's operations that are known here, and which have not ended.
    func attemptedBackups(of project: ProjectID) async throws -> [(backup: String, isLive: Bool)] {
        // 7.
        let result = try await transaction.query(
            """
            SELECT o.input->>'backup' AS backup, EXISTS (SELECT FROM operation_live l
                WHERE l.operation = o.id) AS is_live
            FROM operations o WHERE o.kind = 'volume.backup' AND o.project = \(project)
            """)
        return try result.rows.map { (try $0.decode("backup"), try $0.decode("is_live")) }
    }

    /// The prune that is at work on a project's repository just now; one that is parked is not.
    func prune(of project: ProjectID) async throws -> OperationID? {
        // 10.
        let result = try await transaction.query(
            """
            SELECT l.operation AS id FROM operation_live l JOIN operation_run r USING (operation)
            WHERE l.kind = 'prune' AND l.project = \(project)
            """)
        return try result.first?.decode("id")
    }

    /// The operations of hosts that read or write the repository of a project now.
    func users(of project: ProjectID) async throws -> [OperationID] {
        // 8.
        let result = try await transaction.query(
            """
            SELECT o.id FROM operation_live l JOIN operations o ON o.id = l.operation
            WHERE l.kind IN ('volume.backup', 'volume.restore', 'volume.apply')
                AND (o.project = \(project) OR o.input->'backup'->>'project' = \("\(project)"))
            ORDER BY o.id
            """)
        return try result.rows.map { try $0.decode("id") }
    }

    /// Keeps a backup's row as it is until the transaction ends, so that nobody pins it meanwhile.
    func lockBackup(_ backup: BackupID) async throws {
        // 9.
        try await transaction.query("SELECT id FROM backups WHERE id = \(backup) FOR UPDATE")
    }
}
