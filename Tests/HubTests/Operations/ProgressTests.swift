import Platform
import Postgres
import Shared
import Testing

@testable import Hub

@Suite("Progress that is kept", .timeLimit(.minutes(2)))
struct ProgressTests {
    private func progress(_ done: Int64) -> Progress {
        Progress(
            time: Timestamp(milliseconds: 1_790_000_000_000 + done), phase: "read", phaseIndex: 1,
            phaseCount: 1, done: done, total: 1_000_000, unit: .bytes)
    }

    /// Stores messages of an operation as heartbeats a second apart would.
    private func tell(
        _ engine: Engine, _ held: [HeldLease], session: SessionID, keeping: Int = 200
    ) async throws {
        try await engine.pool.withTransaction { transaction in
            let store = ProgressStore(transaction)
            try await store.store(held, session: session)
            try await store.trim(held, keeping: keeping)
        }
        try await engine.pool.query(
            "UPDATE operation_progress_latest SET updated_at = updated_at - interval '1 min'")
    }

    private func count(_ engine: Engine, _ operation: OperationID) async throws -> Int {
        try await engine.pool.query(
            "SELECT count(*) AS n FROM operation_progress WHERE operation = \(operation)"
        ).one().decode("n")
    }

    @Test("is only that of the lease that holds now")
    func epochs() async throws {
        let engine = try await Engine()
        let host = try await engine.host("a")
        let agent = try await ScriptedAgent(engine, host)
        try await agent.open()
        _ = try await engine.service.create(.hostCheck(host), by: engine.author)
        let leased = try #require(try await agent.lease().first)
        let old = HeldLease(operation: leased.id, epoch: leased.epoch - 1, progress: progress(1))
        try await tell(engine, [old], session: agent.session)
        #expect(try await count(engine, leased.id) == 0)
        let moved: Bool =
            try await engine.pool.query(
                "SELECT progress_at > claimed_at AS moved FROM operation_run"
            ).one().decode("moved", as: Bool?.self) ?? false
        #expect(!moved, "a lease that is lost keeps no other one alive")
        let now = HeldLease(operation: leased.id, epoch: leased.epoch, progress: progress(2))
        try await tell(engine, [now], session: agent.session)
        #expect(try await count(engine, leased.id) == 1)
        await engine.pool.close()
    }

    /// Stores a message of an operation, with the next number.
    private func add(
        _ done: Int64, of operation: OperationID, in transaction: PostgresTransaction
    ) async throws {
        try await transaction.query(
            """
            INSERT INTO operation_progress (operation, progress)
            VALUES (\(operation), \(try JSON.text(progress(done)))::text::jsonb)
            """)
    }

    @Test("is followed without a miss, although it is numbered before it is committed")
    func commitOrder() async throws {
        let engine = try await Engine()
        let host = try await engine.host("a")
        let id = try await engine.service.create(.hostCheck(host), by: engine.author).operation.id
        var seen: [Int64] = []
        var position = ProgressPosition.start
        func read() async throws -> Bool {
            let news = try await engine.service.progress(of: id, after: position)
            seen += news.entries.compactMap(\.progress.done)
            position = news.entries.last?.position ?? position
            return news.isHeldBack
        }
        // Other tests' transactions on the same server hold messages back as well.
        func readAll() async throws {
            while try await read() { try await Task.sleep(for: .milliseconds(10)) }
        }
        try await engine.pool.withTransaction { slow in
            try await self.add(1, of: id, in: slow)
            try await engine.pool.withTransaction { try await self.add(2, of: id, in: $0) }
            #expect(try await read(), "what comes first is not there yet")
        }
        try await readAll()
        // A number that is drawn last by a transaction that writes first.
        try await engine.pool.withTransaction { early in
            try await early.query("SELECT pg_current_xact_id()")
            try await engine.pool.withTransaction { try await self.add(3, of: id, in: $0) }
            #expect(try await read())
            try await self.add(4, of: id, in: early)
        }
        try await readAll()
        #expect(seen.sorted() == [1, 2, 3, 4])
        await engine.pool.close()
    }

    @Test("is not held back for longer than the patience by whoever writes elsewhere")
    func patience() async throws {
        let engine = try await Engine()
        let host = try await engine.host("a")
        let id = try await engine.service.create(.hostCheck(host), by: engine.author).operation.id
        try await engine.pool.withTransaction { long in
            try await long.query("SELECT pg_current_xact_id()")
            try await engine.pool.withTransaction { try await self.add(1, of: id, in: $0) }
            let news = try await engine.pool.withTransaction {
                try await ProgressStore($0).entries(
                    of: id, after: .start, patienceMilliseconds: 0)
            }
            #expect(news.entries.count == 1)
        }
        await engine.pool.close()
    }

    @Test("of a child that was trimmed is a gap in its parent's stream, and is said to be one")
    func trimmedChild() async throws {
        let engine = try await Engine()
        let host = try await engine.host("a")
        let project = try await engine.project("web", on: host)
        let agent = try await ScriptedAgent(engine, host)
        try await agent.open()
        let parent = try await engine.service.create(
            .backup(project, BackupOrder()), by: engine.author
        ).operation.id
        try await engine.running {
            var child: LeasedOperation?
            while child == nil { child = try await agent.lease().first }
            let leased = try #require(child)
            func hasTrimmed(since: ProgressPosition) async throws -> Bool {
                try await engine.service.hasTrimmed(parent, since: since)
            }
            for done in 1...3 {
                let held = HeldLease(
                    operation: leased.id, epoch: leased.epoch, progress: progress(Int64(done)))
                try await tell(engine, [held], session: agent.session)
            }
            var told: [ProgressEntry] = []
            while told.count < 3 {
                told = try await engine.service.progress(of: parent, after: .start).entries
            }
            let seen = told[1].position
            #expect(try await !hasTrimmed(since: seen))
            // Only the newest two are kept: what was seen last is gone, and what came behind it too.
            for done in 4...6 {
                let held = HeldLease(
                    operation: leased.id, epoch: leased.epoch, progress: progress(Int64(done)))
                try await tell(engine, [held], session: agent.session, keeping: 2)
            }
            #expect(try await hasTrimmed(since: seen))
        }
        await engine.pool.close()
    }
}
