import Glibc
import Platform
import Postgres
import Shared

/// `berth-hub bench registry`: measures the registry on this machine, in a private cluster with
/// durable commits that it makes in an empty directory and removes again.
///
/// Prints one `figure` line a number.
struct RegistryBench: Sendable {
    let directory: String
    let parts: BenchParts
    let configuration: Configuration
    let identifiers: Identifiers
    let log: Logger

    private static let hosts = 3000
    private static let window: Duration = .seconds(5)

    func run() async throws {
        guard unsafe mkdir(directory, 0o711) == 0 else {
            throw HubError(
                .dataDirectory, "\(directory) cannot be made: \(describe(errno: errno))",
                hint: "name a directory that does not exist yet")
        }
        let cluster = PrivateCluster(
            dataDirectory: directory + "/postgres", user: configuration.databaseUser,
            settings: [
                "shared_buffers": "1GB", "max_wal_size": "4GB", "checkpoint_timeout": "15min",
                "random_page_cost": "1.1",
            ], diesWithParent: true)
        do {
            try await measure(cluster)
        } catch {
            // The first failure is the one to tell; what was made goes all the same.
            try? await cluster.stop()
            try? removeTree(at: directory)
            throw error
        }
        try await cluster.stop()
        try removeTree(at: directory)
    }

    private func measure(_ cluster: PrivateCluster) async throws {
        try await cluster.initialize()
        try await cluster.start()
        if parts.has("log") { try await measureLog(try await database("bench_log", cluster)) }
        guard parts.has("pages") || parts.has("reports") else { return }
        let fleet = try await database("bench_fleet", cluster)
        let begin = ContinuousClock.now
        let connection = try await PostgresConnection.connect(unhurried(fleet))
        try await RegistryBenchStore(connection: connection).fill(
            hosts: Self.hosts, projects: parts.projects)
        await connection.close()
        print("filled with \(parts.projects) projects in \(seconds(.now - begin)) s")
        if parts.has("pages") { try await measurePages(fleet) }
        if parts.has("reports") { try await measureReports(fleet) }
    }

    private func database(
        _ name: String, _ cluster: PrivateCluster
    ) async throws -> PostgresOptions {
        try await cluster.createDatabase(name)
        let options = cluster.connectionOptions(database: name)
        try await PostgresMigrations(
            directory: try MigrationsDirectory.find(configuration.migrations)
        ).apply(to: options)
        return options
    }

    private func unhurried(_ options: PostgresOptions) -> PostgresOptions {
        var options = options
        options.statementTimeout = nil
        return options
    }

    // MARK: The log

    private func measureLog(_ options: PostgresOptions) async throws {
        // As the hub asks.
        let pool = PostgresPool(
            StablePlans.of(options), limits: PostgresPool.Limits(connections: 16))
        let timeline = identifiers.make(TimelineIdentity.self)
        try await pool.withTransaction { transaction in
            try await HubRowStore(transaction).insert(timeline: timeline, keyringCheck: [0])
        }
        let changes = ChangeRunner(pool: pool, bell: OperationBell())
        let history = BenchHistory(changes: changes, identifiers: identifiers)
        let fleet = try await history.make(projects: 6000)
        let rate = try await perSecond(clients: 16) { client, turn in
            let project = fleet.projects[(client * 350 + turn % 350) % fleet.projects.count]
            try await changes.run { change in
                try await change.record(
                    .projectWanted(ProjectWanted(project: project, isWantedRunning: turn % 2 == 0)))
            }
            return 1
        }
        figure("registry_commits_per_second", rate, "commits/s")
        let connection = try await PostgresConnection.connect(unhurried(options))
        try await connection.execute(script: "VACUUM ANALYZE")
        let begin = ContinuousClock.now
        let outcome = try await RegistryReplay(connection: connection).run(onlyCompares: true)
        guard outcome.differences.isEmpty, outcome.unknown == 0 else {
            throw HubError(.log, "the replay differs: \(outcome.differences)")
        }
        figure(
            "replay_events_per_second", Double(outcome.events) / seconds(.now - begin), "events/s")
        let verified = ContinuousClock.now
        guard case .whole(let head) = try await LogVerification(connection: connection).run()
        else { throw HubError(.log, "the log is not whole") }
        figure(
            "verify_events_per_second", Double(head.sequence) / seconds(.now - verified),
            "events/s")
        await connection.close()
        await pool.close()
    }

    // MARK: Pages and numbers

    private func measurePages(_ options: PostgresOptions) async throws {
        let pool = PostgresPool(StablePlans.of(options))
        var random = Random()
        let rollup = try await median(50) {
            try await pool.withTransaction { transaction in
                _ = try await ProjectReader(transaction).counts()
                _ = try await HostReader(transaction).counts()
                _ = try await ProjectReader(transaction).worst()
            }
        }
        figure("fleet_rollup_ms", rollup, "ms")
        let hour: Int64 = 3_600_000
        let now = identifiers.currentTime.milliseconds
        let atRisk = try await median(200) {
            let since = now - Int64(random.next() % 24) * hour - Int64(random.next() % 1000)
            var query = ProjectQuery(order: .exposure)
            query.cursor = "\(since).\(identifiers.make(ProjectIdentity.self))"
            _ = try await pool.withTransaction { [query] in
                try await ProjectReader($0).projects(query)
            }
        }
        figure("at_risk_page_ms", atRisk, "ms")
        var cursor: String?
        let pages = try await median(200) {
            var query = ProjectQuery()
            query.cursor = cursor
            let found = try await pool.withTransaction { [query] in
                try await ProjectReader($0).projects(query)
            }
            cursor = found.nextCursor
        }
        figure("project_page_ms", pages, "ms")
        for (name, query) in [
            ("project_prefix_page_ms", ProjectQuery(order: .name, prefix: "thesis-1a")),
            ("project_search_page_ms", ProjectQuery(order: .name, search: "a3f9")),
            ("project_unscanned_page_ms", ProjectQuery(provisioned: .unknown)),
        ] {
            let time = try await median(50) {
                _ = try await pool.withTransaction { try await ProjectReader($0).projects(query) }
            }
            figure(name, time, "ms")
        }
        await pool.close()
    }

    // MARK: Reports

    private func measureReports(_ options: PostgresOptions) async throws {
        let clients = 8
        let pool = PostgresPool(
            StablePlans.of(options), limits: PostgresPool.Limits(connections: clients))
        let reports = ReportApplication(
            ChangeRunner(pool: pool, bell: OperationBell()), log: log)
        let session = identifiers.make(SessionIdentity.self)
        let fleet = try await BenchFleet(pool: pool, hosts: 1000)
        let rate = try await perSecond(clients: clients) { client, turn in
            let number = (turn * clients + client) % fleet.hosts.count
            let (request, host) = fleet.batch(
                of: number, round: Int64(turn * clients / fleet.hosts.count), session: session)
            let answer = try await reports.apply(request, host: host)
            guard answer.applied == request.reports.last?.sequence else {
                throw HubError(.database, "a batch was not applied")
            }
            return request.reports.count
        }
        figure("report_events_per_second", rate, "events/s")
        await pool.close()
    }

    // MARK: Measuring

    /// How much `work` does a second, by so many clients at once.
    private func perSecond(
        clients: Int, _ work: @escaping @Sendable (Int, Int) async throws -> Int
    ) async throws -> Double {
        let begin = ContinuousClock.now
        let total = try await withThrowingTaskGroup(of: Int.self) { group in
            for client in 0..<clients {
                group.addTask {
                    var done = 0
                    var turn = 0
                    while ContinuousClock.now - begin < Self.window {
                        done += try await work(client, turn)
                        turn += 1
                    }
                    return done
                }
            }
            return try await group.reduce(0, +)
        }
        return Double(total) / seconds(.now - begin)
    }

    /// The median of so many runs, in milliseconds.
    private func median(_ count: Int, _ work: () async throws -> Void) async throws -> Double {
        var times: [Double] = []
        for _ in 0..<count {
            let begin = ContinuousClock.now
            try await work()
            times.append(seconds(.now - begin) * 1000)
        }
        return times.sorted()[count / 2]
    }

    private func seconds(_ duration: Duration) -> Double { duration / .seconds(1) }

    private func figure(_ name: String, _ value: Double, _ unit: String) {
        let rounded = value < 100 ? (value * 100).rounded() / 100 : value.rounded()
        print("figure \(name) \(rounded) \(unit)")
    }
}
