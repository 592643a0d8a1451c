import Glibc
import Platform
import Postgres
import Shared

/// `berth-hub bench operations`: measures the operations engine on this machine, in a private cluster
/// with durable commits, and its peers on the same cluster.
///
/// Prints one `figure` line a number. What counts is what the tables say, after the last commit.
struct OperationBench: Sendable {
    let directory: String
    /// The command that runs a peer; empty runs none.
    let peers: [String]
    let parts: BenchParts
    let configuration: Configuration
    let identifiers: Identifiers
    let log: Logger

    /// What plain SQL reaches with this shape on two cores (OPERATIONS.md 2.3).
    private static let ceilings = [10: 32_000.0, 100: 116_000.0]
    private static let drained = 50_000

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
                "random_page_cost": "1.1", "jit": "off", "autovacuum_naptime": "5s",
                "max_connections": "200",
            ], diesWithParent: true)
        do {
            try await cluster.initialize()
            try await cluster.start()
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
        let peers = PeerBench(command: peers, cluster: cluster)
        if parts.has("drain") { try await measureDraining(cluster, peers) }
        if parts.has("single") {
            let single = try await median(of: 3) { number in
                try await drain(cluster, "ours_1_\(number)", batch: 1)
            }
            figure("operations_per_second_single", single.rate, "operations/s")
            if let one = try await peers.drain("procrastinate", count: 4000) {
                figure("operations_per_second_single_ratio", single.rate / one.rate, "x")
            }
        }
        if parts.has("wake") {
            try await wake(cluster)
            try await peers.wake()
        }
        if parts.has("move") {
            let bench = try await open(cluster, "ours_move")
            await bench.pool.close()
            try await MoveBench(options: bench.options, identifiers: identifiers, log: log).run()
        }
        if parts.has("held") {
            try await HeldSnapshotBench(
                cluster: cluster, open: { try await open(cluster, $0) }, identifiers: identifiers,
                log: log
            ).run()
        }
    }

    private func measureDraining(_ cluster: PrivateCluster, _ peers: PeerBench) async throws {
        let best = try await peers.drain(count: Self.drained)
        for (batch, ceiling) in Self.ceilings.sorted(by: { $0.key < $1.key }) {
            let run = try await median(of: 3) { number in
                try await drain(cluster, "ours_\(batch)_\(number)", batch: batch)
            }
            if batch == 100 { figure("wal_bytes_per_operation", run.walBytes, "bytes") }
            figure("operations_per_second_\(batch)", run.rate, "operations/s")
            print(
                "the ceiling of plain SQL at batch \(batch) is \(Int(ceiling))/s; this is "
                    + "\(Int(run.rate / ceiling * 100)) % of it")
            if let best {
                figure("operations_per_second_ratio_\(batch)", run.rate / best.rate, "x")
            }
        }
    }

    // MARK: Draining

    private func median(
        of count: Int, _ body: (Int) async throws -> BenchRun
    ) async throws -> BenchRun {
        var runs: [BenchRun] = []
        for number in 0..<count { runs.append(try await body(number)) }
        runs.sort { $0.rate < $1.rate }
        print("runs: \(runs.map { Int($0.rate) }) operations/s")
        return runs[count / 2]
    }

    /// Time to the last committed completion of operations made before, by one worker process.
    private func drain(
        _ cluster: PrivateCluster, _ name: String, batch: Int
    ) async throws -> BenchRun {
        let bench = try await open(cluster, name)
        let count = batch == 1 ? 10_000 : Self.drained
        try await bench.store.fill(count)
        try await bench.store.settle()
        var options = OperationWorker.Options()
        options.lane = bench.lane
        options.batch = batch
        options.batches = batch == 1 ? 16 : 4
        options.completions = batch
        let done = Locked(0)
        let worker = OperationWorker(
            bench.changes, settings: OperationSettings(), identifiers: identifiers,
            options: options, log: log
        ) { _ in
            done.withLock { $0 += 1 }
            return .succeeded(nil)
        }
        let before = try await bench.store.walPosition()
        let begin = ContinuousClock.now
        let rate = try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await worker.run() }
            defer { group.cancelAll() }
            // The tables are only asked when the handlers have seen all.
            while done.withLock({ $0 }) < count { try await Task.sleep(for: .milliseconds(1)) }
            while try await bench.store.ended() < count {
                try await Task.sleep(for: .milliseconds(1))
            }
            return Double(count) / seconds(.now - begin)
        }
        let written = Double(try await bench.store.walPosition() - before)
        await bench.pool.close()
        return BenchRun(rate: rate, walBytes: written / Double(count))
    }

    /// A migrated database of its own.
    private func open(_ cluster: PrivateCluster, _ name: String) async throws -> BenchDatabase {
        try await cluster.createDatabase(name)
        let options = StablePlans.of(cluster.connectionOptions(database: name))
        try await PostgresMigrations(
            directory: try MigrationsDirectory.find(configuration.migrations)
        ).apply(to: options)
        let pool = PostgresPool(options, limits: PostgresPool.Limits(connections: 20))
        let host = identifiers.make(HostIdentity.self)
        return BenchDatabase(
            pool: pool, changes: ChangeRunner(pool: pool, bell: OperationBell()), lane: host.uuid,
            options: options,
            store: OperationBenchStore(pool: pool, host: host, identifiers: identifiers))
    }

    // MARK: Waking

    /// From creating to running, of an idle worker.
    private func wake(_ cluster: PrivateCluster) async throws {
        let bench = try await open(cluster, "ours_wake")
        var options = OperationWorker.Options()
        options.lane = bench.lane
        let begun = Locked<[OperationID: ContinuousClock.Instant]>([:])
        let worker = OperationWorker(
            bench.changes, settings: OperationSettings(), identifiers: identifiers,
            options: options, log: log
        ) { operation in
            begun.withLock { $0[operation.id] = .now }
            return .succeeded(nil)
        }
        let times = try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await worker.run() }
            defer { group.cancelAll() }
            try await Task.sleep(for: .seconds(1))
            var asked: [(OperationID, ContinuousClock.Instant)] = []
            for _ in 0..<500 {
                let begin = ContinuousClock.now
                asked.append((try await bench.store.create(bench.changes), begin))
                try await Task.sleep(for: .milliseconds(30))
            }
            try await Task.sleep(for: .seconds(1))
            let known = begun.withLock { $0 }
            return try asked.map { operation, begin in
                guard let heard = known[operation] else {
                    throw HubError(.database, "operation \(operation) was not begun")
                }
                return seconds(heard - begin) * 1000
            }.sorted()
        }
        figure("wakeup_ms_p50", times[times.count / 2], "ms")
        figure("wakeup_ms_p99", times[times.count * 99 / 100], "ms")
        await bench.pool.close()
    }
}

/// A rate and what it cost.
struct BenchRun: Sendable {
    var rate: Double
    var walBytes: Double
}

/// A database of a bench with the lane that is worked on.
struct BenchDatabase: Sendable {
    let pool: PostgresPool
    let changes: ChangeRunner
    let lane: String
    let options: PostgresOptions
    let store: OperationBenchStore
}

func seconds(_ duration: Duration) -> Double { duration / .seconds(1) }

func figure(_ name: String, _ value: Double, _ unit: String) {
    let rounded = value < 100 ? (value * 100).rounded() / 100 : value.rounded()
    print("figure \(name) \(rounded) \(unit)")
}
