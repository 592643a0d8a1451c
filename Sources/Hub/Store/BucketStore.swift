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

    /// A bucket with what people are told of it.
    struct Listed: Sendable {
        let row: BucketCatalog.Row
        let repositories: Int64
        let condition: BucketCondition
    }

    /// What every query of buckets answers; `b` is the bucket.
    private static let columns: PostgresQuery = """
        b.id AS bucket, b.name, b.kind, b.region, b.settings, b.grant_mode, b.is_default, b.test
        """

    /// The repository that a project's backups go to, or nil before the first one.
    func repository(of project: ProjectID) async throws -> Repository? {
        // 1.
        let result = try await transaction.query(
            """
            SELECT r.id, r.project, r.prefix, r.chunker_polynomial, \(fragment: Self.columns)
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

    /// A repository that another has taken the place of.
    func retired(_ id: RepositoryID) async throws -> Repository? {
        // 10.
        let result = try await transaction.query(
            """
            SELECT r.id, r.project, r.prefix, r.chunker_polynomial, \(fragment: Self.columns)
            FROM repositories r JOIN buckets b ON b.id = r.bucket
            WHERE r.id = \(id) AND r.retired_at IS NOT NULL
            """)
        return try result.first.map { row in
            Repository(
                id: try row.decode("id"), project: try row.decode("project"),
                prefix: try row.decode("prefix"),
                chunkerPolynomial: try row.decode("chunker_polynomial"),
                bucket: try Self.bucket(row))
        }
    }

    /// The bucket for a project's new repository: the one that was asked for, else the default of
    /// its region, else the oldest default that serves its region too; never another.
    func route(_ project: ProjectID) async throws -> (bucket: BucketCatalog.Row?, region: String) {
        // 2.
        let result = try await transaction.query(
            """
            SELECT p.region AS home, \(fragment: Self.columns)
            FROM projects p LEFT JOIN buckets b ON b.removed_at IS NULL AND CASE
                WHEN p.bucket IS NOT NULL THEN b.id = p.bucket
                ELSE b.is_default AND (b.region = p.region
                    OR coalesce(b.settings->'alsoServes' ?| ARRAY[p.region, '*'], false)) END
            WHERE p.id = \(project)
            ORDER BY b.region = p.region DESC, b.created_at, b.id LIMIT 1
            """)
        guard let row = result.first else { return (nil, "") }
        let id = try row.decode("bucket", as: BucketID?.self)
        return (try id.map { _ in try Self.bucket(row) }, try row.decode("home"))
    }

    /// All buckets, or one, with the number of their repositories and how they fare.
    func buckets(only id: BucketID? = nil) async throws -> [Listed] {
        // 3.
        let result = try await transaction.query(
            """
            SELECT \(fragment: Self.columns), (SELECT count(*) FROM repositories r
                    WHERE r.bucket = b.id AND r.retired_at IS NULL) AS repositories,
                (SELECT count(*) FROM bucket_waits w JOIN operation_waiting o USING (operation)
                    WHERE w.bucket = b.id) AS parked,
                h.state, h.since, coalesce(h.failures, 0) AS failures, h.reason, h.next_try_at
            FROM buckets b LEFT JOIN bucket_health h ON h.bucket = b.id
            WHERE b.removed_at IS NULL AND (\(id)::uuid IS NULL OR b.id = \(id)::uuid)
            ORDER BY b.name LIMIT 1000
            """)
        return try result.rows.map { row in
            Listed(
                row: try Self.bucket(row), repositories: try row.decode("repositories"),
                condition: try Self.condition(row))
        }
    }

    private static func condition(_ row: PostgresRow) throws -> BucketCondition {
        let state = try row.decode("state", as: String?.self)
        return BucketCondition(
            state: state.flatMap { BucketCondition.State(rawValue: $0) } ?? .working,
            since: try row.decode("since"), failures: try row.decode("failures"),
            reason: try row.decode("reason"), nextTryAt: try row.decode("next_try_at"),
            parked: try row.decode("parked"))
    }

    /// The bucket with exactly this name.
    func bucket(named name: String) async throws -> BucketCatalog.Row? {
        // 4.
        let result = try await transaction.query(
            """
            SELECT \(fragment: Self.columns) FROM buckets b
            WHERE b.name = \(name) AND b.removed_at IS NULL
            """)
        return try result.first.map(Self.bucket)
    }

    /// The default bucket of a region, locked so that two changes of it follow each other.
    func defaultBucket(region: String) async throws -> BucketCatalog.Row? {
        // 5.
        let result = try await transaction.query(
            """
            SELECT \(fragment: Self.columns) FROM buckets b
            WHERE b.region = \(region) AND b.is_default AND b.removed_at IS NULL FOR UPDATE
            """)
        return try result.first.map(Self.bucket)
    }

    /// Keeps repositories from being made in a bucket until the transaction ends.
    func lock(_ bucket: BucketID) async throws {
        // 9.
        try await transaction.query("SELECT id FROM buckets WHERE id = \(bucket) FOR UPDATE")
    }

    /// How many projects without backups are to be kept in a bucket.
    func projectsRouted(to bucket: BucketID) async throws -> Int64 {
        // 8.
        let result = try await transaction.query(
            """
            SELECT count(*) AS count FROM projects p
            WHERE p.bucket = \(bucket) AND p.deleted_at IS NULL
            """)
        return try result.one().decode("count")
    }

    /// The repositories of projects with a backup that has not ended.
    func repositoriesWithBackups() async throws -> [RepositoryID] {
        // 6.
        let result = try await transaction.query(
            """
            SELECT DISTINCT r.id FROM operation_live l
            JOIN repositories r ON r.project = l.project AND r.retired_at IS NULL
            WHERE l.kind = 'volume.backup'
            """)
        return try result.rows.map { try $0.decode("id") }
    }

    /// The projects that were backed up within a day, at most 1,000.
    func projectsBackedUpLately() async throws -> [ProjectID] {
        // 7.
        let result = try await transaction.query(
            """
            SELECT DISTINCT o.project FROM operations o
            WHERE o.kind = 'volume.backup' AND o.project IS NOT NULL
                AND o.id >= first_operation((clock_timestamp() - interval '2 days')::date)
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
            kind: try row.decode("kind"), region: try row.decode("region"),
            settings: try row.decode("settings", as: JSONColumn<BucketSettings>.self).value,
            grantMode: grantMode, isDefault: try row.decode("is_default"),
            test: try row.decode("test", as: JSONColumn<BucketTest>?.self)?.value)
    }
}
