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
            func entries(after: Int64) async throws -> [ProgressEntry] {
                try await engine.pool.withTransaction {
                    try await ProgressStore($0).entries(of: parent, after: after)
                }
            }
            func hasTrimmed(since: Int64) async throws -> Bool {
                try await engine.service.hasTrimmed(parent, since: since)
            }
            for done in 1...3 {
                let held = HeldLease(
                    operation: leased.id, epoch: leased.epoch, progress: progress(Int64(done)))
                try await tell(engine, [held], session: agent.session)
            }
            let seen = try #require(try await entries(after: 0).dropFirst().first).sequence
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
