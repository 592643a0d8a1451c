import Platform
import Postgres
import Testing

/// One PostgreSQL server for all engine tests of a process, and a migrated database of its own for
/// each test, copied from a template.
///
/// The cluster's directory is kept and taken by the next run; a lock keeps two runs apart. The
/// server dies with the process.
actor EngineDatabases {
    static let shared = EngineDatabases()

    private struct Place: ~Copyable {
        let lock: FileLock
    }

    /// Tests/HubTests/Operations/<this file>, three levels below the package.
    static var migrations: String {
        "/" + #filePath.split(separator: "/").dropLast(4).joined(separator: "/") + "/Migrations"
    }

    private static let template = "engine_template"

    private var cluster: PrivateCluster?
    private var isStarting = false
    private var waiting: [CheckedContinuation<Void, Never>] = []
    private var place: Place?
    private var made = 0
    private var isCopying = false
    private var copyQueue: [CheckedContinuation<Void, Never>] = []

    /// A new database with all migrations.
    func make() async throws -> PostgresOptions {
        let cluster = try await started()
        made += 1
        let name = "engine_\(made)_\(Random.hex(bytes: 4))"
        // A template must not be in use, not even by another copy.
        while isCopying { await withCheckedContinuation { copyQueue.append($0) } }
        isCopying = true
        defer {
            isCopying = false
            if !copyQueue.isEmpty { copyQueue.removeFirst().resume() }
        }
        let connection = try await PostgresConnection.connect(
            cluster.connectionOptions(database: "postgres"))
        try await connection.query(
            "CREATE DATABASE \(identifier: name) TEMPLATE \(identifier: Self.template)")
        await connection.close()
        return cluster.connectionOptions(database: name)
    }

    private func started() async throws -> PrivateCluster {
        while isStarting { await withCheckedContinuation { waiting.append($0) } }
        if let cluster { return cluster }
        isStarting = true
        defer {
            isStarting = false
            for waiter in waiting { waiter.resume() }
            waiting = []
        }
        let new = try await start()
        cluster = new
        return new
    }

    private func start() async throws -> PrivateCluster {
        for number in 0..<32 {
            let path = "/tmp/berth-test-engine-\(number)"
            // Held by another run: take the next one.
            guard let lock = try? FileLock(path: path + ".lock", purpose: "tests") else { continue }
            place = Place(lock: lock)
            let cluster = PrivateCluster(
                dataDirectory: path,
                settings: [
                    "fsync": "off", "full_page_writes": "off", "max_connections": "300",
                ], diesWithParent: true)
            do {
                try await cluster.initialize()
                try await cluster.start()
            } catch {
                // A machine that went down with fsync off leaves nothing worth keeping.
                try removeTree(at: path)
                try await cluster.initialize()
                try await cluster.start()
            }
            try await migrate(cluster)
            return cluster
        }
        throw PostgresError(code: .cluster, message: "32 test runs at once")
    }

    private func migrate(_ cluster: PrivateCluster) async throws {
        let connection = try await PostgresConnection.connect(
            cluster.connectionOptions(database: "postgres"))
        let names = try await connection.query(
            "SELECT datname FROM pg_database WHERE datname LIKE 'engine\\_%'")
        for row in names.rows {
            let name = try row[0].decode(String.self)
            try await connection.query("DROP DATABASE \(identifier: name) WITH (FORCE)")
        }
        try await connection.query("CREATE DATABASE \(identifier: Self.template)")
        await connection.close()
        try await PostgresMigrations(directory: Self.migrations).apply(
            to: cluster.connectionOptions(database: Self.template))
    }
}
