import Platform
import Testing

@testable import Postgres

private struct Refused: Error {}

@Suite("A transaction", .timeLimit(.minutes(2)))
struct PostgresTransactionTests {
    private func pool(connections: Int = 4) async throws -> PostgresPool {
        let pool = PostgresPool(
            try await TestDatabases.shared.make(), limits: .init(connections: connections))
        try await pool.query("CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL)")
        return pool
    }

    private func count(_ pool: PostgresPool) async throws -> Int {
        try await pool.query("SELECT count(*) FROM t").rows[0][0].decode(Int.self)
    }

    @Test("is committed when its closure returns and rolled back when it throws")
    func outcome() async throws {
        let pool = try await pool()
        let answer = try await pool.withTransaction { transaction in
            try await transaction.query("INSERT INTO t VALUES (1, 0)")
            return "done"
        }
        #expect(answer == "done")
        #expect(try await count(pool) == 1)
        await #expect(throws: Refused.self) {
            try await pool.withTransaction { transaction in
                try await transaction.query("INSERT INTO t VALUES (2, 0)")
                throw Refused()
            }
        }
        #expect(try await count(pool) == 1)
        await pool.close()
    }

    @Test("is rolled back when its task is cancelled")
    func cancelled() async throws {
        let pool = try await pool()
        await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await pool.withTransaction { transaction in
                    try await transaction.query("INSERT INTO t VALUES (1, 0)")
                    unsafe withUnsafeCurrentTask { unsafe $0?.cancel() }
                    try await transaction.query("SELECT pg_sleep(60)")
                }
            }
            await #expect(throws: CancellationError.self) { try await group.next() }
        }
        #expect(try await count(pool) == 0)
        #expect(pool.load.connections == 1)
        await pool.close()
    }

    @Test("says that it did not happen when its closure swallowed a failure")
    func swallowed() async throws {
        let pool = try await pool()
        let error = try await #require(throws: PostgresError.self) {
            try await pool.withTransaction { transaction in
                try await transaction.query("INSERT INTO t VALUES (1, 0)")
                // The point of the test: the closure looks away.
                _ = try? await transaction.query("SELECT 1 / 0")
            }
        }
        #expect(error.code == .transactionAborted)
        #expect(try await count(pool) == 0)
        await pool.close()
    }

    @Test("cannot be used after its end")
    func escaped() async throws {
        let pool = try await pool()
        let escaped = try await pool.withTransaction { $0 }
        let error = try await #require(throws: PostgresError.self) {
            try await escaped.query("SELECT 1")
        }
        #expect(error.code == .closed)
        await pool.close()
    }

    @Test("that is read-only refuses to write")
    func readOnly() async throws {
        let pool = try await pool()
        let error = try await #require(throws: PostgresError.self) {
            try await pool.withTransaction(isReadOnly: true) {
                try await $0.query("INSERT INTO t VALUES (1, 0)")
            }
        }
        #expect(error.sqlState == "25006")
        await pool.close()
    }

    @Test("whose connection breaks during COMMIT has an unknown outcome, and is not retried")
    func outcomeUnknown() async throws {
        let pool = try await pool()
        // A deferred trigger runs within COMMIT, and there ends its own backend.
        try await pool.withConnection { connection in
            try await connection.execute(
                script: """
                    CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$
                    BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
                    CREATE CONSTRAINT TRIGGER die AFTER INSERT ON t
                        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die();
                    """)
        }
        let runs = Locked(0)
        let error = try await #require(throws: PostgresError.self) {
            try await pool.withTransaction(retry: PostgresRetry()) { transaction in
                runs.withLock { $0 += 1 }
                try await transaction.query("INSERT INTO t VALUES (1, 0)")
            }
        }
        #expect(error.code == .outcomeUnknown)
        #expect(runs.withLock { $0 } == 1)
        #expect(try await count(pool) == 0)
        await pool.close()
    }

    @Test("whose connection breaks before COMMIT left nothing, and is run again")
    func lostBeforeCommit() async throws {
        let pool = try await pool()
        let runs = Locked(0)
        try await pool.withTransaction(retry: PostgresRetry()) { transaction in
            let run = runs.withLock { runs in
                runs += 1
                return runs
            }
            try await transaction.query("INSERT INTO t VALUES (1, \(run))")
            if run == 1 {
                try await transaction.query("SELECT pg_terminate_backend(pg_backend_pid())")
            }
        }
        #expect(runs.withLock { $0 } == 2)
        #expect(try await count(pool) == 1)
        let unretried = await #expect(throws: PostgresError.self) {
            try await pool.withTransaction { transaction in
                try await transaction.query("SELECT pg_terminate_backend(pg_backend_pid())")
            }
        }
        #expect(unretried?.code == .connectionLost)
        await pool.close()
    }

    @Test("that loses a serialization conflict is run again, so that no increment is lost")
    func serialization() async throws {
        let pool = try await pool(connections: 4)
        try await pool.query("INSERT INTO t VALUES (1, 0)")
        let runs = Locked(0)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    for _ in 0..<10 {
                        try await pool.withTransaction(
                            isolation: .serializable, retry: PostgresRetry(attempts: 100)
                        ) { transaction in
                            runs.withLock { $0 += 1 }
                            let n = try await transaction.query("SELECT n FROM t WHERE id = 1")
                                .rows[0][0].decode(Int.self)
                            try await transaction.query("UPDATE t SET n = \(n + 1) WHERE id = 1")
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        let n = try await pool.query("SELECT n FROM t").rows[0][0].decode(Int.self)
        #expect(n == 40)
        #expect(runs.withLock { $0 } > 40, "there must have been conflicts")
        await pool.close()
    }

    @Test("is not run more often than allowed, and not again after another failure")
    func bounded() async throws {
        let pool = try await pool()
        let retry = PostgresRetry(attempts: 3, backoff: Backoff(base: .milliseconds(1)))
        for (state, expected) in [("40001", 3), ("40P01", 3), ("23505", 1)] {
            let runs = Locked(0)
            let error = try await #require(throws: PostgresError.self) {
                try await pool.withTransaction(retry: retry) { transaction in
                    runs.withLock { $0 += 1 }
                    try await transaction.execute(
                        script: "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '\(state)'; END $$")
                }
            }
            #expect(error.sqlState == state)
            #expect(runs.withLock { $0 } == expected)
        }
        await pool.close()
    }
}
