import Glibc
import Platform
import Testing

@testable import Postgres

/// Waits until `condition` holds, asking the server; the test's time limit ends it otherwise.
func eventually(_ condition: () async throws -> Bool) async throws {
    while try await !condition() { try await Task.sleep(for: .milliseconds(5)) }
}

@Suite("A connection to a real server", .timeLimit(.minutes(2)))
struct PostgresConnectionTests {
    @Test("tells which constraint of which table a statement violated")
    func constraint() async throws {
        try await withTestConnection { connection in
            try await connection.execute(
                script: "CREATE TABLE projects (name text CONSTRAINT projects_name_key UNIQUE)")
            let insert: PostgresQuery = "INSERT INTO projects VALUES (\("one"))"
            #expect(try await connection.query(insert).affectedRows == 1)
            let error = try await #require(throws: PostgresError.self) {
                try await connection.query(insert)
            }
            #expect(error.code == .server("23505"))
            #expect(error.isUniqueViolation(of: "projects_name_key"))
            #expect(!error.isUniqueViolation(of: "other"))
            #expect(error.table == "projects")
            #expect(error.detail?.contains("one") == true)
        }
    }

    @Test("keeps a bounded number of prepared statements on the server")
    func preparedStatements() async throws {
        var options = try await TestDatabases.shared.make()
        options.preparedStatementLimit = 4
        let connection = try await PostgresConnection.connect(options)
        for number in 0..<20 {
            try await connection.query("SELECT \(1) AS \(identifier: "c\(number)")")
            try await connection.query("SELECT \(2) AS kept")
        }
        let count = try await connection.query("SELECT count(*) FROM pg_prepared_statements")
            .rows[0][0].decode(Int.self)
        // One more may be waiting to be deallocated, one is this question.
        #expect(count <= 6)
        await connection.close()
    }

    @Test("prepares again when a table changed under a statement")
    func changedResult() async throws {
        try await withTestConnection { connection in
            try await connection.execute(script: "CREATE TABLE t (a int); INSERT INTO t VALUES (1)")
            let first = try await connection.query("SELECT * FROM t")
            #expect(first.columns == ["a"])
            try await connection.execute(script: "ALTER TABLE t ADD COLUMN b int")
            let second = try await connection.query("SELECT * FROM t")
            #expect(second.columns == ["a", "b"])
        }
    }

    @Test("a cancelled task stops its statement on the server, and the connection goes on")
    func cancel() async throws {
        let options = try await TestDatabases.shared.make()
        let connection = try await PostgresConnection.connect(options)
        let watcher = try await PostgresConnection.connect(options)
        func sleepers() async throws -> Int {
            try await watcher.query(
                """
                SELECT count(*) FROM pg_stat_activity
                WHERE datname = current_database() AND query LIKE '%pg_sleep%'
                    AND state = 'active' AND pid <> pg_backend_pid()
                """
            ).rows[0][0].decode(Int.self)
        }
        for _ in 0..<5 {
            await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await connection.query("SELECT pg_sleep(60)") }
                await #expect(throws: Never.self) {
                    try await eventually { try await sleepers() == 1 }
                }
                group.cancelAll()
                await #expect(throws: CancellationError.self) { try await group.next() }
            }
            #expect(try await sleepers() == 0)
            let after = try await connection.query("SELECT \(7)")
            #expect(try after.rows[0][0].decode(Int.self) == 7)
        }
        await connection.close()
        await watcher.close()
    }

    @Test("a statement that takes longer than its limit ends with a timeout")
    func statementTimeout() async throws {
        var options = try await TestDatabases.shared.make()
        options.statementTimeout = .milliseconds(50)
        let connection = try await PostgresConnection.connect(options)
        let error = try await #require(throws: PostgresError.self) {
            try await connection.query("SELECT pg_sleep(60)")
        }
        #expect(error.code == .timeout)
        #expect(error.sqlState == "57014")
        #expect(try await connection.query("SELECT 1").rows.count == 1)
        await connection.close()
    }

    @Test("a backend that is ended shows as a lost connection, which stays lost")
    func terminated() async throws {
        let options = try await TestDatabases.shared.make()
        let connection = try await PostgresConnection.connect(options)
        let killer = try await PostgresConnection.connect(options)
        let pid = try await connection.query("SELECT pg_backend_pid()").rows[0][0].decode(Int.self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await connection.query("SELECT pg_sleep(60)") }
            try await eventually {
                try await killer.query(
                    "SELECT 1 FROM pg_stat_activity WHERE pid = \(pid) AND state = 'active'"
                ).rows.count == 1
            }
            try await killer.query("SELECT pg_terminate_backend(\(pid)::int)")
            let error = await #expect(throws: PostgresError.self) { try await group.next() }
            #expect(error?.code == .connectionLost)
            #expect(error?.sqlState == "57P01")
        }
        #expect(await connection.isBroken)
        let error = try await #require(throws: PostgresError.self) {
            try await connection.query("SELECT 1")
        }
        #expect(error.code == .connectionLost)
        await killer.close()
    }

    @Test("a server that stops taking connections keeps nobody who is cancelled")
    func deafToCancel() async throws {
        try await withOwnCluster { cluster in
            let connection = try await PostgresConnection.connect(
                cluster.connectionOptions(database: "postgres"))
            let watcher = try await PostgresConnection.connect(
                cluster.connectionOptions(database: "postgres"))
            let server = try #require(await cluster.processID)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await connection.query("SELECT pg_sleep(60)") }
                try await eventually {
                    try await watcher.query(
                        "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
                    ).rows.count == 1
                }
                // Its backends go on; a request to cancel is never read.
                #expect(kill(server, SIGSTOP) == 0)
                defer { kill(server, SIGCONT) }
                let cancelled = ContinuousClock.now
                group.cancelAll()
                await #expect(throws: CancellationError.self) { try await group.next() }
                await connection.close()
                #expect(ContinuousClock.now - cancelled < .seconds(20))
            }
            await watcher.close()
        }
    }

    @Test("a connection that cannot be made says where to and why")
    func unreachable() async throws {
        let options = PostgresOptions(
            host: "/nonexistent", database: "nothing", user: "nobody", password: "hunter2")
        let error = try await #require(throws: PostgresError.self) {
            try await PostgresConnection.connect(options)
        }
        #expect(error.code == .connectionFailed)
        #expect(error.message.contains("/nonexistent"))
        #expect(!error.message.contains("hunter2"))
    }

    @Test(
        "a malformed connection string is not quoted, it may hold a password",
        arguments: ["host=/tmp password='hunter2", "postgres://u:hunter2%zz@h/d", "hunter2"])
    func malformed(conninfo: String) async throws {
        let error = try await #require(throws: PostgresError.self) {
            try await PostgresConnection.connect(PostgresOptions(conninfo: conninfo))
        }
        #expect(error.code == .connectionFailed)
        #expect(error.description.contains("malformed"))
        #expect(!error.description.contains("hunter2"))
    }

    @Test("a server that accepts and never answers is given up in time")
    func silentServer() async throws {
        let silent = try SilentServer()
        var options = PostgresOptions(
            host: "127.0.0.1", port: Int(silent.port), database: "x", user: "x")
        options.connectTimeout = .milliseconds(100)
        let error = try await #require(throws: PostgresError.self) {
            try await PostgresConnection.connect(options)
        }
        #expect(error.code == .timeout)
    }

    @Test("a closed connection says so")
    func closed() async throws {
        let connection = try await PostgresConnection.connect(try await TestDatabases.shared.make())
        await connection.close()
        let error = try await #require(throws: PostgresError.self) {
            try await connection.query("SELECT 1")
        }
        #expect(error.code == .closed)
    }

    @Test("a script that fails says where")
    func script() async throws {
        try await withTestConnection { connection in
            let error = try await #require(throws: PostgresError.self) {
                try await connection.execute(script: "CREATE TABLE a (x int); SELEKT 1")
            }
            #expect(error.code == .server("42601"))
            #expect(error.context?.contains("character") == true)
            let gone = try await connection.query("SELECT to_regclass('a') IS NULL")
            #expect(try gone.rows[0][0].decode(Bool.self))
        }
    }
}
