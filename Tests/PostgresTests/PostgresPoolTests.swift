import Platform
import Testing

@testable import Postgres

@Suite("A pool of connections to a real server", .timeLimit(.minutes(2)))
struct PostgresPoolTests {
    @Test("never opens more connections than its limit, and serves everybody")
    func bound() async throws {
        let pool = PostgresPool(
            try await TestDatabases.shared.make(), limits: .init(connections: 3))
        let inUse = Locked((now: 0, most: 0))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<60 {
                group.addTask {
                    try await pool.withConnection { connection in
                        inUse.withLock {
                            $0.now += 1
                            $0.most = max($0.most, $0.now)
                        }
                        try await connection.query("SELECT pg_sleep(0.002)")
                        inUse.withLock { $0.now -= 1 }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(inUse.withLock { $0.most } == 3)
        #expect(pool.load.connections == 3)
        #expect(pool.load.waiting == 0)
        await pool.close()
        #expect(pool.load.connections == 0)
    }

    /// A connection that comes back between asking and waiting once found nobody to take it.
    @Test("loses nobody between asking for a connection and waiting for it")
    func handedOver() async throws {
        let pool = PostgresPool(
            try await TestDatabases.shared.make(),
            limits: .init(connections: 1, acquireTimeout: .seconds(60)))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<2 {
                group.addTask {
                    for _ in 0..<20_000 { try await pool.withConnection { _ in } }
                }
            }
            try await group.waitForAll()
        }
        #expect(pool.load == (connections: 1, waiting: 0))
        await pool.close()
    }

    @Test("says so when no connection becomes free in time, and goes on afterwards")
    func exhausted() async throws {
        let pool = PostgresPool(
            try await TestDatabases.shared.make(),
            limits: .init(connections: 1, acquireTimeout: .milliseconds(30)))
        try await pool.withConnection { _ in
            let error = try await #require(throws: PostgresError.self) {
                try await pool.query("SELECT 1")
            }
            #expect(error.code == .poolExhausted)
        }
        #expect(try await pool.query("SELECT 1").rows.count == 1)
        await pool.close()
    }

    @Test("lets a cancelled waiter go at once")
    func cancelledWaiter() async throws {
        let pool = PostgresPool(
            try await TestDatabases.shared.make(),
            limits: .init(connections: 1, acquireTimeout: .seconds(600)))
        try await pool.withConnection { _ in
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await pool.query("SELECT 1") }
                try await eventually { pool.load.waiting == 1 }
                group.cancelAll()
                await #expect(throws: CancellationError.self) { try await group.next() }
            }
            #expect(pool.load.waiting == 0)
        }
        #expect(try await pool.query("SELECT 1").rows.count == 1)
        await pool.close()
    }

    @Test("replaces connections that the server ended, before anybody gets one")
    func recovers() async throws {
        let options = try await TestDatabases.shared.make()
        let pool = PostgresPool(options, limits: .init(connections: 4))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask { try await pool.query("SELECT pg_sleep(0.05)") }
            }
            try await group.waitForAll()
        }
        #expect(pool.load.connections == 4)
        let killer = try await PostgresConnection.connect(options)
        try await killer.query(
            """
            SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()
            """)
        for _ in 0..<8 { try await pool.query("SELECT 1") }
        await killer.close()
        await pool.close()
    }

    @Test("a storm of cancellations stops nobody else's statements and leaks nothing")
    func cancellationStorm() async throws {
        let options = try await TestDatabases.shared.make()
        let pool = PostgresPool(
            options, limits: .init(connections: 4, acquireTimeout: .seconds(60)))
        let cancelled = Locked(0)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for worker in 0..<6 {
                group.addTask {
                    for round in 0..<40 {
                        await withTaskGroup(of: Void.self) { inner in
                            inner.addTask {
                                do {
                                    try await pool.query("SELECT pg_sleep(0.002)")
                                } catch is CancellationError {
                                    cancelled.withLock { $0 += 1 }
                                } catch {
                                    Issue.record("cancelling must not end in \(error)")
                                }
                            }
                            for _ in 0..<(worker * round) { await Task.yield() }
                            inner.cancelAll()
                        }
                    }
                }
                group.addTask {
                    for round in 0..<100 {
                        let row = try await pool.query("SELECT \(round)").rows[0]
                        #expect(try row[0].decode(Int.self) == round)
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(cancelled.withLock { $0 } > 0)
        #expect(pool.load.waiting == 0)
        #expect(pool.load.connections <= 4)
        await pool.close()
        #expect(pool.load.connections == 0)
    }

    @Test("fails clearly while the server is down, and works again when it is back")
    func serverRestart() async throws {
        try await withOwnCluster { cluster in
            let pool = PostgresPool(cluster.connectionOptions(database: "postgres"))
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await pool.query("SELECT pg_sleep(60)") }
                try await eventually {
                    try await pool.query(
                        """
                        SELECT 1 FROM pg_stat_activity
                        WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'
                        """
                    ).rows.count == 1
                }
                try await cluster.stopImmediately()
                let error = await #expect(throws: PostgresError.self) { try await group.next() }
                #expect(error?.code == .connectionLost)
            }
            let down = await #expect(throws: PostgresError.self) {
                try await pool.query("SELECT 1")
            }
            #expect(down?.code == .connectionFailed)
            try await cluster.start()
            for _ in 0..<8 { try await pool.query("SELECT 1") }
            await pool.close()
        }
    }

    @Test("does not keep a connection with an open transaction")
    func openTransaction() async throws {
        let pool = PostgresPool(
            try await TestDatabases.shared.make(), limits: .init(connections: 1))
        try await pool.withConnection { _ = try await $0.query("BEGIN") }
        #expect(pool.load.connections == 0)
        #expect(try await pool.query("SELECT 1").rows.count == 1)
        await pool.close()
    }

    @Test("renews connections that are too old")
    func age() async throws {
        let pool = PostgresPool(
            try await TestDatabases.shared.make(),
            limits: .init(connections: 1, maximumAge: .zero))
        let first = try await pool.query("SELECT pg_backend_pid()").rows[0][0].decode(Int.self)
        let second = try await pool.query("SELECT pg_backend_pid()").rows[0][0].decode(Int.self)
        #expect(first != second)
        await pool.close()
    }

    @Test("gives its slot back when no connection can be made")
    func unreachable() async throws {
        let pool = PostgresPool(
            PostgresOptions(host: "/nonexistent", database: "x", user: "x"),
            limits: .init(connections: 2))
        for _ in 0..<5 {
            let error = try await #require(throws: PostgresError.self) {
                try await pool.query("SELECT 1")
            }
            #expect(error.code == .connectionFailed)
        }
        #expect(pool.load.connections == 0)
    }

    @Test("that is closed refuses those who wait and those who come")
    func closed() async throws {
        let pool = PostgresPool(
            try await TestDatabases.shared.make(), limits: .init(connections: 1))
        try await pool.withConnection { _ in
            await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await pool.query("SELECT 1") }
                await #expect(throws: Never.self) {
                    try await eventually { pool.load.waiting == 1 }
                }
                await pool.close()
                let error = await #expect(throws: PostgresError.self) { try await group.next() }
                #expect(error?.code == .closed)
            }
        }
        #expect(pool.load.connections == 0)
        let error = try await #require(throws: PostgresError.self) {
            try await pool.query("SELECT 1")
        }
        #expect(error.code == .closed)
    }
}
