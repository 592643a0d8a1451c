/// The migrations that a program brings, forward only; the table `schema_migrations` tells which
/// of them a database has.
public struct PostgresMigrations: Sendable {
    /// The migrations, in order of their numbers, from 1 without gaps.
    public let migrations: [PostgresMigration]

    /// What `apply` found and did.
    public struct Status: Sendable, Equatable {
        /// Numbers that the database had before.
        public let present: [Int]
        /// Numbers that were applied now.
        public let applied: [Int]
    }

    /// The session advisory lock that keeps two programs from migrating at once.
    static let lock: Int64 = 0x6265_7274_685f_6d67

    /// Takes migrations from memory.
    ///
    /// - Throws: `PostgresError` `.migration` unless the numbers are 1, 2, 3, ….
    public init(_ migrations: [PostgresMigration]) throws {
        self.migrations = migrations.sorted { $0.number < $1.number }
        for (index, migration) in self.migrations.enumerated() where migration.number != index + 1 {
            throw PostgresError(
                code: .migration,
                message: "migration \(index + 1) is missing or there twice "
                    + "(found \(migration.number) \(migration.name))")
        }
    }

    /// Reads the files `NNNN_name.sql` of a directory; other files are ignored.
    ///
    /// - Throws: `PostgresError` `.migration`; `PlatformError` when something cannot be read.
    public init(directory: String) throws {
        var found: [PostgresMigration] = []
        for entry in try MigrationFiles.names(in: directory) {
            guard let (number, name) = MigrationFiles.parse(entry) else { continue }
            let sql = try MigrationFiles.read("\(directory)/\(entry)")
            found.append(PostgresMigration(number: number, name: name, sql: sql))
        }
        guard !found.isEmpty else {
            throw PostgresError(
                code: .migration, message: "no migrations (NNNN_name.sql) in \(directory)")
        }
        try self.init(found)
    }

    /// Applies what the database lacks, each migration in one transaction with its record.
    ///
    /// Any number of programs may do this at once: one works, the others wait and find it done.
    /// - Parameters:
    ///   - options: where the database is; statements are not limited in time meanwhile.
    ///   - lockTimeout: how long to wait for another program's migration, default 2 minutes.
    /// - Throws: `PostgresError` `.migration` when the database has migrations that this program
    ///   does not know, or other texts for the same numbers; `.timeout`; the server's error when
    ///   a migration fails, which then has left nothing behind.
    @discardableResult
    public func apply(
        to options: PostgresOptions, lockTimeout: Duration = .seconds(120)
    ) async throws -> Status {
        var unhurried = options
        unhurried.statementTimeout = nil
        unhurried.lockTimeout = lockTimeout
        unhurried.idleInTransactionTimeout = nil
        let connection = try await PostgresConnection.connect(unhurried)
        do {
            let status = try await apply(on: connection, waiting: lockTimeout)
            await connection.close()
            return status
        } catch {
            // Closing the connection lets the advisory lock go.
            await connection.close()
            throw error
        }
    }

    /// Compares the database with this program and changes nothing.
    ///
    /// - Returns: what the database has, and in `applied` what `apply` would add.
    /// - Throws: as `apply`.
    public func check(_ connection: PostgresConnection) async throws -> Status {
        let exists = try await connection.query(
            "SELECT to_regclass('schema_migrations') IS NOT NULL")
        guard try exists.first?[0].decode(Bool.self) == true else {
            return Status(present: [], applied: migrations.map(\.number))
        }
        let present = try await present(connection)
        return Status(
            present: present,
            applied: migrations.map(\.number).filter { !present.contains($0) })
    }

    private func apply(
        on connection: PostgresConnection, waiting limit: Duration
    ) async throws -> Status {
        do {
            try await connection.query("SELECT pg_advisory_lock(\(PostgresMigrations.lock))")
        } catch let error as PostgresError where error.sqlState == "55P03" {
            throw PostgresError(
                code: .timeout,
                message: "another program has been migrating the database for \(limit)")
        }
        try await connection.execute(
            script: """
                CREATE TABLE IF NOT EXISTS schema_migrations (
                    number integer PRIMARY KEY CHECK (number >= 1),
                    name text NOT NULL,
                    sha256 text NOT NULL,
                    applied_at timestamptz NOT NULL DEFAULT now()
                )
                """)
        let present = try await present(connection)
        var applied: [Int] = []
        for migration in migrations where !present.contains(migration.number) {
            try await run(migration, on: connection)
            applied.append(migration.number)
        }
        return Status(present: present, applied: applied)
    }

    /// The numbers in the database, after comparing them with ours.
    private func present(_ connection: PostgresConnection) async throws -> [Int] {
        let texts = migrations.map(\.sql)
        let sums = try await connection.query(
            """
            SELECT encode(sha256(convert_to(sql, 'UTF8')), 'hex')
            FROM unnest(\(texts)) WITH ORDINALITY AS texts (sql, position) ORDER BY position
            """
        ).rows.map { try $0[0].decode(String.self) }
        let rows = try await connection.query(
            "SELECT number, name, sha256 FROM schema_migrations ORDER BY number"
        ).rows
        var numbers: [Int] = []
        for row in rows {
            let number = try row[0].decode(Int.self)
            let name = try row[1].decode(String.self)
            guard number <= migrations.count else {
                throw PostgresError(
                    code: .migration,
                    message: "the database is newer than this program: it has migration "
                        + "\(number) (\(name)), the program knows \(migrations.count); "
                        + "install the newer program")
            }
            guard try row[2].decode(String.self) == sums[number - 1] else {
                throw PostgresError(
                    code: .migration,
                    message: "migration \(number) (\(name)) was applied with another text than "
                        + "this program has; migrations are never edited, add a new one")
            }
            numbers.append(number)
        }
        return numbers
    }

    private func run(
        _ migration: PostgresMigration, on connection: PostgresConnection
    ) async throws {
        do {
            try await connection.withTransaction { transaction in
                try await transaction.execute(script: migration.sql)
                // The record goes in by the transaction that the script must not have ended.
                guard await connection.isInTransaction else {
                    throw PostgresError(
                        code: .migration, message: "it ends the transaction that it runs in")
                }
                try await transaction.query(
                    """
                    INSERT INTO schema_migrations (number, name, sha256)
                    VALUES (\(migration.number), \(migration.name),
                            encode(sha256(convert_to(\(migration.sql)::text, 'UTF8')), 'hex'))
                    """)
            }
        } catch var error as PostgresError {
            error.message = "migration \(migration.number) (\(migration.name)): \(error.message)"
            throw error
        }
    }
}
