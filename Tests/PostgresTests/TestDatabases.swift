import Platform
import Postgres
import Testing

/// One PostgreSQL server for all tests of a process, and a database of its own for each test.
///
/// The cluster's directory is kept and taken by the next run, because making one takes longer than
/// most tests; a lock keeps two runs apart. The server dies with the process.
actor TestDatabases {
    static let shared = TestDatabases()

    private enum State {
        case none
        case starting([CheckedContinuation<PrivateCluster, any Error>])
        case running
    }

    private struct Place: ~Copyable {
        let lock: FileLock
    }

    private var state = State.none
    /// Beside the state rather than in it: LeakSanitizer does not see through an enum's tag bits.
    private var running: PrivateCluster?
    private var place: Place?
    private var made = 0

    /// A new empty database.
    func make() async throws -> PostgresOptions {
        let cluster = try await cluster()
        made += 1
        let name = "test_\(made)_\(Random.hex(bytes: 4))"
        try await cluster.createDatabase(name)
        return cluster.connectionOptions(database: name)
    }

    private func cluster() async throws -> PrivateCluster {
        switch state {
        case .running: return try #require(running)
        case .starting(var waiting):
            return try await withCheckedThrowingContinuation { continuation in
                waiting.append(continuation)
                state = .starting(waiting)
            }
        case .none: break
        }
        state = .starting([])
        do {
            let cluster = try await start()
            running = cluster
            for waiting in becomes(.running) { waiting.resume(returning: cluster) }
            return cluster
        } catch {
            for waiting in becomes(.none) { waiting.resume(throwing: error) }
            throw error
        }
    }

    private func becomes(_ next: State) -> [CheckedContinuation<PrivateCluster, any Error>] {
        defer { state = next }
        if case .starting(let waiting) = state { return waiting }
        return []
    }

    private func start() async throws -> PrivateCluster {
        for number in 0..<32 {
            let path = "/tmp/berth-test-postgres-\(number)"
            // Held by another run: take the next one.
            guard let lock = try? FileLock(path: path + ".lock", purpose: "tests") else { continue }
            place = Place(lock: lock)
            let cluster = PrivateCluster(
                dataDirectory: path, settings: ["fsync": "off", "full_page_writes": "off"],
                diesWithParent: true)
            do {
                try await cluster.initialize()
                try await cluster.start()
            } catch {
                // A machine that went down with fsync off leaves nothing worth keeping.
                try removeTree(at: path)
                try await cluster.initialize()
                try await cluster.start()
            }
            try await dropLeftovers(cluster)
            return cluster
        }
        throw PostgresError(code: .cluster, message: "32 test runs at once")
    }

    private func dropLeftovers(_ cluster: PrivateCluster) async throws {
        let connection = try await PostgresConnection.connect(
            cluster.connectionOptions(database: "postgres"))
        let names = try await connection.query(
            "SELECT datname FROM pg_database WHERE datname LIKE 'test\\_%'")
        for row in names.rows {
            let name = try row[0].decode(String.self)
            try await connection.query("DROP DATABASE \(identifier: name) WITH (FORCE)")
        }
        await connection.close()
    }
}

/// Runs `body` with a connection to a database of its own.
func withTestConnection(_ body: (PostgresConnection) async throws -> Void) async throws {
    let connection = try await PostgresConnection.connect(try await TestDatabases.shared.make())
    try await body(connection)
    await connection.close()
}
