import Platform
import Postgres

/// The hub's PostgreSQL: a private cluster in the data directory, which this process starts and
/// supervises, or a server that the configuration names.
struct Database: Sendable {
    /// Nil for a server that somebody else runs.
    let cluster: PrivateCluster?
    let options: PostgresOptions
    let migrations: PostgresMigrations

    /// The name of the database in a private cluster.
    private static let name = "berth"

    init(_ configuration: Configuration, directory: HubDirectory) throws {
        migrations = try PostgresMigrations(
            directory: try MigrationsDirectory.find(configuration.migrations))
        if let conninfo = configuration.database {
            self.cluster = nil
            options = PostgresOptions(conninfo: conninfo)
        } else {
            let cluster = PrivateCluster(
                dataDirectory: directory.cluster, user: configuration.databaseUser)
            self.cluster = cluster
            options = cluster.connectionOptions(database: Self.name)
        }
    }

    /// Starts a private cluster, makes the database where it is missing, and applies what the
    /// schema lacks.
    ///
    /// - Parameter mayInitialize: whether a missing cluster is made; only `init` does that.
    /// - Throws: `HubError` `.database`.
    func open(mayInitialize: Bool) async throws {
        do {
            if let cluster {
                if mayInitialize { try await cluster.initialize() }
                try await cluster.start()
                try await cluster.createDatabase(Self.name)
            }
            _ = try await migrations.apply(to: options)
        } catch let error as PostgresError {
            throw HubError(
                .database, "the database \(options) cannot be used",
                hint: cluster == nil
                    ? "check `database` in hub.toml and that the server runs"
                    : "see the cluster's log in the data directory", cause: error)
        }
    }
}
