import Postgres
import Shared

/// Looks buckets and repositories up.
struct BucketStore: Sendable {
    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    /// A project's repository with its bucket.
    struct Repository: Sendable {
        let id: RepositoryID
        let project: ProjectID
        let prefix: String
        let chunkerPolynomial: String
        let bucket: BucketCatalog.Row
    }

    /// The repository that a project's backups go to, or nil before the first one.
    func repository(of project: ProjectID) async throws -> Repository? {
        // 1.
        let result = try await transaction.query(
            """
            SELECT r.id, r.project, r.prefix, r.chunker_polynomial, b.id AS bucket, b.name, b.kind,
                b.settings, b.grant_mode
            FROM repositories r JOIN buckets b ON b.id = r.bucket
            WHERE r.project = \(project) AND r.retired_at IS NULL
            """)
        return try result.first.map { row in
            Repository(
                id: try row.decode("id"), project: try row.decode("project"),
                prefix: try row.decode("prefix"),
                chunkerPolynomial: try row.decode("chunker_polynomial"),
                bucket: try Self.bucket(row))
        }
    }

    /// The bucket for new repositories of a region: its default, or the only default there is.
    func defaultBucket(region: String) async throws -> BucketCatalog.Row? {
        // 2.
        let result = try await transaction.query(
            """
            SELECT id AS bucket, name, kind, settings, grant_mode FROM buckets
            WHERE is_default AND removed_at IS NULL
            ORDER BY region = \(region) DESC, created_at LIMIT 1
            """)
        return try result.first.map(Self.bucket)
    }

    /// All buckets with the number of their repositories.
    func buckets() async throws -> [(
        row: BucketCatalog.Row, region: String, isDefault: Bool,
        repositories: Int64
    )] {
        // 3.
        let result = try await transaction.query(
            """
            SELECT b.id AS bucket, b.name, b.kind, b.settings, b.grant_mode, b.region,
                b.is_default, (SELECT count(*) FROM repositories r
                    WHERE r.bucket = b.id AND r.retired_at IS NULL) AS repositories
            FROM buckets b WHERE b.removed_at IS NULL ORDER BY b.name LIMIT 1000
            """)
        return try result.rows.map { row in
            (
                row: try Self.bucket(row), region: try row.decode("region"),
                isDefault: try row.decode("is_default"),
                repositories: try row.decode("repositories")
            )
        }
    }

    /// The repositories of projects with a backup that has not ended.
    func repositoriesWithBackups() async throws -> [RepositoryID] {
        // 4.
        let result = try await transaction.query(
            """
            SELECT DISTINCT r.id FROM operation_live l
            JOIN operations o ON o.id = l.operation
            JOIN repositories r ON r.project = o.project AND r.retired_at IS NULL
            WHERE l.kind = 'volume.backup'
            """)
        return try result.rows.map { try $0.decode("id") }
    }

    /// The projects that were backed up within a day, at most 1,000.
    func projectsBackedUpLately() async throws -> [ProjectID] {
        // 5.
        let result = try await transaction.query(
            """
            SELECT DISTINCT o.project FROM operations o
            WHERE o.kind = 'volume.backup' AND o.project IS NOT NULL
                AND o.created_at > clock_timestamp() - interval '1 day'
            LIMIT 1000
            """)
        return try result.rows.map { try $0.decode("project") }
    }

    private static func bucket(_ row: PostgresRow) throws -> BucketCatalog.Row {
        let mode = try row.decode("grant_mode", as: String.self)
        guard let grantMode = GrantMode(rawValue: mode) else {
            throw RegistryConflict(description: "grant mode \(mode) is not known")
        }
        return BucketCatalog.Row(
            id: try row.decode("bucket"), name: try row.decode("name"),
            kind: try row.decode("kind"),
            settings: try row.decode("settings", as: JSONColumn<JSONValue>.self).value,
            grantMode: grantMode)
    }
}
