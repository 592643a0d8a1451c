import Platform
import Postgres

/// The hub's PostgreSQL: a private cluster in the data directory, which this process starts and
/// supervises, or a server that the configuration names.
///
/// Two roles use it: the owner of the tables, who applies migrations and who alone could alter the
/// event log, and the hub's own, which everything else runs as.
struct Database: Sendable {
    /// Nil for a server that somebody else runs.
    let cluster: PrivateCluster?
    /// The hub's own role.
    let options: PostgresOptions
    /// The owner of the tables; the hub's own role where the configuration names no other.
    let owner: PostgresOptions
    let migrations: PostgresMigrations

    /// The name of the database in a private cluster, and of the hub's role there.
    private static let name = "berth"
    private static let role = "berth_hub"

    init(_ configuration: Configuration, directory: HubDirectory) throws {
        migrations = try PostgresMigrations(
            directory: try MigrationsDirectory.find(configuration.migrations))
        if let conninfo = configuration.database {
            self.cluster = nil
            options = StablePlans.of(PostgresOptions(conninfo: conninfo))
            owner = PostgresOptions(conninfo: configuration.databaseOwner ?? conninfo)
        } else {
            let cluster = PrivateCluster(
                dataDirectory: directory.cluster, user: configuration.databaseUser)
            self.cluster = cluster
            options = StablePlans.of(
                cluster.connectionOptions(database: Self.name, user: Self.role))
            owner = cluster.connectionOptions(database: Self.name)
        }
    }

    /// Starts a private cluster, makes the database where it is missing, applies what the schema
    /// lacks, and gives the hub's role its rights.
    ///
    /// - Parameter mayInitialize: whether a missing cluster is made; only `init` does that.
    /// - Throws: `HubError` `.database`.
    func open(mayInitialize: Bool) async throws {
        try await translating {
            try await start(mayInitialize: mayInitialize)
            try await migrate()
        }
    }

    /// Starts a private cluster that no hub runs, and makes the database where it is missing.
    func start(mayInitialize: Bool) async throws {
        guard let cluster else { return }
        if mayInitialize { try await cluster.initialize() }
        try await cluster.start()
        try await cluster.createDatabase(Self.name)
    }

    /// Applies what the schema lacks and gives the hub's role its rights; any number of hubs may do
    /// this at once.
    @discardableResult
    func migrate() async throws -> PostgresMigrations.Status {
        let status = try await migrations.apply(to: owner)
        let connection = try await PostgresConnection.connect(owner)
        do {
            let rights = HubRole(connection: connection)
            if cluster != nil { try await rights.make(Self.role) }
            if let role = try await roleName() { try await rights.grant(to: role) }
            await connection.close()
        } catch {
            await connection.close()
            throw error
        }
        return status
    }

    /// Whether the hub's role owns the event log, and so could alter it.
    func isLogUnprotected() async throws -> Bool {
        let connection = try await PostgresConnection.connect(options)
        let row = try await connection.query(
            """
            SELECT has_table_privilege('events', 'UPDATE') OR has_table_privilege('events', 'DELETE')
                OR has_table_privilege('events', 'TRUNCATE') AS is_open
            """
        ).one()
        await connection.close()
        return try row.decode("is_open")
    }

    /// Runs `body` while the database can be reached: a private cluster that no hub runs is started
    /// for that long.
    func whileRunning(
        _ directory: HubDirectory, _ body: () async throws -> Void
    ) async throws {
        try directory.requireExists()
        guard let cluster, let lock = try directory.holdIfFree() else {
            try await translating(body)
            return
        }
        defer { extendLifetime(lock) }
        do {
            try await translating {
                try await start(mayInitialize: false)
                try await body()
            }
        } catch {
            // The first failure is the one to tell; the cluster is stopped all the same.
            try? await cluster.stop()
            throw error
        }
        try await cluster.stop()
    }

    /// Says which database an error is about and what to do.
    private func translating(_ body: () async throws -> Void) async throws {
        do {
            try await body()
        } catch let error as PostgresError {
            throw HubError(
                .database, "the database \(options) cannot be used", hint: hint(error),
                cause: error)
        }
    }

    private func hint(_ error: PostgresError) -> String {
        if error.code == .migration { return "see berth-hub migrate status" }
        // 42501: insufficient_privilege
        if error.sqlState == "42501" {
            return "name the role that owns the tables as `database_owner` in hub.toml"
        }
        return cluster == nil
            ? "check `database` in hub.toml and that the server runs"
            : "see the cluster's log in the data directory"
    }

    /// The hub's role where it is another than the owner.
    private func roleName() async throws -> String? {
        if cluster != nil { return Self.role }
        guard options.conninfo != owner.conninfo else { return nil }
        let connection = try await PostgresConnection.connect(options)
        let name = try await connection.query("SELECT current_user::text").one()[0]
            .decode(String.self)
        await connection.close()
        return name
    }
}
