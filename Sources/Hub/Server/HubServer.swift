import Glibc
import HTTP
import Platform
import Postgres
import Shared

/// `berth-hub serve`: the hub's services over one database.
struct HubServer: Sendable {
    let configuration: Configuration
    let directory: HubDirectory
    let identifiers: Identifiers
    let logger: Logger
    /// Told of the address once the server listens.
    let listening: @Sendable (String) -> Void

    /// Serves until a termination is asked for.
    ///
    /// - Throws: `HubError` when something that the hub needs is missing; the first service's
    ///   failure.
    func run(until termination: AsyncStream<Int32>) async throws {
        let database = try Database(configuration, directory: directory)
        try await database.open(mayInitialize: false)
        do {
            try await serve(database, until: termination)
        } catch {
            // The first failure is the one to tell; the cluster is stopped all the same.
            try? await database.cluster?.stop()
            throw error
        }
        try await database.cluster?.stop()
    }

    private func serve(_ database: Database, until termination: AsyncStream<Int32>) async throws {
        let pool = PostgresPool(
            database.options,
            limits: PostgresPool.Limits(connections: Int(configuration.databaseConnections)))
        let row = try await pool.withTransaction { transaction in
            try await HubRowStore(transaction).row()
        }
        guard let row else {
            throw HubError(
                .database, "the database was never initialized",
                hint: "run berth-hub init --data \(directory.path)")
        }
        let keyring = try Keyring.load(path: configuration.masterKeyFile)
        try KeyringCheck.verify(row.keyringCheck, keyring: keyring, timeline: row.timeline)
        let authority = try Authority.load(directory)
        let warnings = try await warnings(database)
        let vault = RepositoryVault(
            pool: pool, keyring: keyring, identifiers: identifiers,
            catalog: catalog(pool, keyring))
        let locks = RepositoryLocks(vault: vault, logger: logger)
        let bell = OperationBell()
        let operations = OperationService(
            pool: pool, bell: bell, settings: settings, identifiers: identifiers, log: logger)
        let feed = EventFeed(pool: pool, retention: configuration.eventFeed, log: logger)
        let principals = PrincipalCache(pool: pool, log: logger)
        let api = API(
            pool: pool, principals: principals, operations: operations, vault: vault, locks: locks,
            feed: feed,
            identifiers: identifiers,
            logger: logger, timeline: row.history, authority: authority,
            addresses: configuration.publicAddresses, warnings: warnings,
            schemaNumber: database.migrations.migrations.count)
        try await operations.prepare()
        let server = try HTTPServer(options: try options(authority), handler: api.answer)
        listening("https://\(server.address):\(server.port)")
        for warning in warnings { logger.warning("note", ["text": .string(warning)]) }
        let (ended, end) = AsyncStream.makeStream(
            of: Int32.self, bufferingPolicy: .bufferingNewest(1))
        var services: [any Service] = [
            GracefulServer(server: server, bell: bell, termination: termination, ended: end)
        ]
        let chores = RepositoryChores(vault: vault, pool: pool, log: logger)
        services += operations.services(
            database: database.options,
            chores: { try await chores.perform($0, of: $1, progress: $2) }
        ) { backup, path in
            do {
                try await vault.requirePath(path, in: backup)
                return true
            } catch let problem as Problem where problem.status == 404 {
                return false
            }
        }
        services += [
            BucketWatch(
                pool: pool, operations: operations, catalog: vault.catalog, logger: logger,
                interval: min(.seconds(15), configuration.bucketPatience / 4)),
            BucketSweep(pool: pool, catalog: vault.catalog, logger: logger),
            feed, principals, FleetFold(pool: pool, log: logger), locks,
            ClusterWatch(cluster: database.cluster, logger: logger),
        ]
        try await runServices(services, until: ended)
        await pool.close()
    }

    private func catalog(_ pool: PostgresPool, _ keyring: Keyring) -> BucketCatalog {
        let files = BlockingPool(label: "berth.buckets", width: 8)
        return BucketCatalog(
            files: files,
            credentials: CredentialReader(
                pool: pool, keyring: keyring, files: files,
                environment: { name in
                    guard let value = unsafe getenv(name) else { return nil }
                    return unsafe String(cString: value)
                }),
            // A request is answered while its caller still listens; the operation goes on trying.
            opened: OpenedBuckets(patience: min(.seconds(30), configuration.bucketPatience / 4)))
    }

    private var settings: OperationSettings {
        var settings = OperationSettings()
        settings.lease = configuration.lease
        settings.heartbeat = configuration.lease / 3
        settings.backupsPerHost = Int(configuration.backupsPerHost)
        settings.restoresPerHost = Int(configuration.restoresPerHost)
        settings.moves = Int(configuration.moves)
        settings.keptDays = Int(configuration.operationDays)
        settings.copyLifetime = configuration.copyLifetime
        settings.bucketPatience = configuration.bucketPatience
        return settings
    }

    private func options(_ authority: Authority) throws -> HTTPServerOptions {
        var options = HTTPServerOptions()
        options.address = configuration.listen.host
        options.port = configuration.listen.port
        options.connectionLimit = Int(configuration.httpConnections)
        options.tls = try authority.serverIdentity(names: serverNames)
        let logger = logger
        options.complaint = { line in logger.debug("http", ["line": .string(line)]) }
        return options
    }

    /// What clients may call this server: its address, the public addresses' hosts, and the
    /// loopback names.
    private var serverNames: [String] {
        var names = ["localhost", "127.0.0.1", "::1"]
        let hosts = configuration.publicAddresses.compactMap { address -> String? in
            let rest = address.dropFirst("https://".count)
            if rest.hasPrefix("[") {
                return rest.dropFirst().split(separator: "]").first.map(String.init)
            }
            return rest.split(separator: "/").first?.split(separator: ":").first.map(String.init)
        }
        for name in [configuration.listen.host] + hosts where !names.contains(name) {
            if name != "0.0.0.0", name != "::" { names.append(name) }
        }
        return names
    }

    private func warnings(_ database: Database) async throws -> [String] {
        guard configuration.database == nil else {
            guard try await database.isLogUnprotected() else { return [] }
            return [
                "the hub's database role can alter the event log: "
                    + "give the tables another owner and name it as database_owner in hub.toml"
            ]
        }
        return [
            "one disk holds the database, the bucket and the master key: "
                + "copy \(configuration.masterKeyFile) to a safe place, and use a bucket elsewhere"
        ]
    }
}

/// Ends the hub when its private cluster dies, so that whoever supervises the hub restarts both
/// and nothing serves without a database.
struct ClusterWatch: Service {
    let cluster: PrivateCluster?
    let logger: Logger

    func run() async throws {
        guard let cluster else { return }
        try await cluster.wait()
        if !Task.isCancelled {
            throw HubError(
                .database, "the private PostgreSQL cluster ended",
                hint: "see its log in the data directory and start the hub again")
        }
    }
}
