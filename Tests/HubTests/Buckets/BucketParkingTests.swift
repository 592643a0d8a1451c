import Platform
import Postgres
import Shared
import Testing

@testable import Hub

@Suite("A bucket that does not work", .timeLimit(.minutes(3)))
struct BucketParkingTests {
    private static let missing = Failure(
        code: "bucket-missing", message: "there is no bucket", class: .pausesBucket)
    private static let overloaded = Failure(
        code: "bucket-unavailable", message: "503 SlowDown", class: .retryable)

    /// An engine with two projects, each in a bucket of its own, on one host whose backups of the
    /// first one fail so often.
    private func run(
        failing failure: Failure, times: Int, patience: Duration = .seconds(900),
        _ body: @escaping @Sendable (Engine, ScriptedAgent, [ProjectID]) async throws -> Void
    ) async throws {
        var settings = Engine.quick
        settings.bucketPatience = patience
        let engine = try await Engine(settings)
        let host = try await engine.host("a")
        let projects = [
            try await engine.project("web", on: host), try await engine.project("lab", on: host),
        ]
        let left = Locked(times)
        let first = projects[0]
        let agent = try await ScriptedAgent(engine, host, "a") { operation, _ in
            guard operation.kind == .volumeBackup,
                operation.input["volume"]?["project"] == .string("\(first)")
            else { return nil }
            return left.withLock { left in
                left -= 1
                return left >= 0 ? failure : nil
            }
        }
        try await engine.running {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await agent.work() }
                defer { group.cancelAll() }
                try await body(engine, agent, projects)
            }
        }
    }

    private func begin(_ engine: Engine, _ project: ProjectID) async throws -> OperationID {
        try await engine.service.create(
            .backup(project, BackupOrder()), by: engine.author
        ).operation.id
    }

    private func end(
        _ engine: Engine, _ operation: OperationID
    ) async throws -> OperationDescription {
        try #require(try await engine.service.waitForTerminal(operation, atMost: .seconds(60)))
    }

    /// What the backup of a project waits for, once it is parked.
    private func parked(_ engine: Engine, _ bucket: BucketID) async throws -> OperationDescription {
        let clock = ContinuousClock()
        let limit = clock.now + .seconds(60)
        while clock.now < limit {
            let waiting = try await engine.pool.withTransaction { transaction in
                try await BucketHealthStore(transaction).waiting(for: bucket)
            }
            if let id = waiting.first, let found = try await engine.service.describe(id) {
                return found
            }
            try await clock.sleep(for: .milliseconds(20))
        }
        throw DeadlineExceeded("parking", limit: .seconds(60))
    }

    private func bucket(_ engine: Engine, _ project: ProjectID) async throws -> BucketID {
        try await engine.pool.query("SELECT bucket FROM repositories WHERE project = \(project)")
            .one().decode("bucket")
    }

    private func condition(_ engine: Engine, _ bucket: BucketID) async throws -> BucketCondition {
        try await engine.pool.withTransaction { transaction in
            try #require(try await BucketStore(transaction).buckets(only: bucket).first).condition
        }
    }

    @Test("parks what needs it with the reason, holds up no other, and lets it go on")
    func parks() async throws {
        try await run(failing: Self.missing, times: 1) { engine, _, projects in
            let bucket = try await self.bucket(engine, projects[0])
            let backup = try await self.begin(engine, projects[0])
            let parked = try await self.parked(engine, bucket)
            #expect(parked.waiting?.reason == .bucket)
            #expect(parked.waiting?.sentence.contains("there is no bucket") == true)
            let condition = try await self.condition(engine, bucket)
            #expect(condition.state == .paused && condition.parked == 1)
            #expect(condition.reason == "there is no bucket")

            let other = try await self.end(engine, try await self.begin(engine, projects[1]))
            #expect(other.state == .succeeded)
            #expect(try await engine.service.describe(backup)?.state.isTerminal == false)

            try await engine.service.bucketWorks(bucket)
            #expect(try await self.end(engine, backup).state == .succeeded)
            #expect(try await self.condition(engine, bucket) == .fine)
            try await engine.expectNothingLeft()
        }
    }

    @Test("is tried again by itself while it fails for less than the patience")
    func triesAgain() async throws {
        try await run(failing: Self.overloaded, times: 2) { engine, _, projects in
            let bucket = try await self.bucket(engine, projects[0])
            let backup = try await self.begin(engine, projects[0])
            #expect(try await self.end(engine, backup).state == .succeeded)
            #expect(try await self.condition(engine, bucket) == .fine)
            try await engine.expectNothingLeft()
        }
    }

    @Test("parks what needs it once it has failed for longer than the patience")
    func losesPatience() async throws {
        try await run(
            failing: Self.overloaded, times: 3, patience: .milliseconds(1)
        ) { engine, _, projects in
            let bucket = try await self.bucket(engine, projects[0])
            let backup = try await self.begin(engine, projects[0])
            let parked = try await self.parked(engine, bucket)
            #expect(parked.waiting?.sentence.contains("503 SlowDown") == true)
            // A canceled one leaves nothing waiting.
            _ = try await engine.service.cancel(backup, by: engine.author)
            #expect(try await self.end(engine, backup).state == .canceled)
            #expect(try await self.condition(engine, bucket).parked == 0)
            try await engine.expectNothingLeft()
        }
    }

    @Test("has waits that grow, and that failures on their way do not change")
    func waits() async throws {
        let engine = try await Engine()
        let host = try await engine.host("a")
        let bucket = try await bucket(engine, try await engine.project("web", on: host))
        var seen: [Double] = []
        for _ in 0..<7 {
            let trouble = try await fail(engine, bucket)
            seen.append(trouble.wait / .seconds(1))
            let again = try await fail(engine, bucket)
            if trouble.wait > .seconds(1) { #expect(again.nextTryAt == trouble.nextTryAt) }
            // The pause is over.
            try await engine.pool.query(
                """
                UPDATE bucket_health SET failed_at = failed_at - interval '2 min',
                    next_try_at = next_try_at - interval '2 min'
                """)
        }
        for (wait, expected) in zip(seen.dropFirst(1), [10.0, 20, 40, 60, 60, 60]) {
            #expect(wait > expected * 0.7 && wait < expected * 1.21, "\(seen)")
        }
        await engine.pool.close()
    }

    @Test("is not tried for ever by a clock that goes back")
    func backwardClock() async throws {
        let engine = try await Engine()
        let host = try await engine.host("a")
        let bucket = try await bucket(engine, try await engine.project("web", on: host))
        var steps = 0
        while try await fail(engine, bucket).failing < .seconds(900) {
            steps += 1
            try #require(steps < 30, "a clock that goes back each time keeps it from being parked")
            try await engine.pool.query(
                """
                UPDATE bucket_health SET failed_at = failed_at + interval '1 day',
                    next_try_at = next_try_at + interval '1 day'
                """)
        }
        await engine.pool.close()
    }

    private func fail(
        _ engine: Engine, _ bucket: BucketID, code: String = "bucket-unavailable",
        isPausing: Bool = false
    ) async throws -> BucketHealthStore.Trouble {
        try await engine.pool.withTransaction { transaction in
            let store = BucketHealthStore(transaction)
            try await store.fails(
                bucket, code: code, reason: "503", isPausing: isPausing)
            return try #require(try await store.trouble(of: bucket))
        }
    }

    @Test("is not said to work between the look at it and the wait for it")
    func noLostWaiter() async throws {
        let engine = try await Engine()
        let host = try await engine.host("a")
        let project = try await engine.project("web", on: host)
        let bucket = try await bucket(engine, project)
        _ = try await fail(engine, bucket)
        let backup = try await begin(engine, project)
        let woken = try await withThrowingTaskGroup(of: [OperationID].self) { group in
            try await engine.pool.withTransaction { transaction in
                let store = BucketHealthStore(transaction)
                _ = try #require(try await store.trouble(of: bucket, holding: true))
                group.addTask {
                    try await engine.pool.withTransaction { other in
                        try await BucketHealthStore(other).works(bucket) ?? []
                    }
                }
                try await Self.untilSomebodyWaits(engine)
                try await store.waits(backup, for: bucket)
            }
            return try await group.next()
        }
        #expect(woken == [backup])
        await engine.pool.close()
    }

    /// Until a connection waits for another one's lock.
    private static func untilSomebodyWaits(_ engine: Engine) async throws {
        let clock = ContinuousClock()
        let end = clock.now + .seconds(30)
        while clock.now < end {
            let count: Int64 = try await engine.pool.query(
                """
                SELECT count(*) AS count FROM pg_stat_activity
                WHERE datname = current_database() AND wait_event_type = 'Lock'
                """
            ).one().decode("count")
            if count > 0 { return }
            try await clock.sleep(for: .milliseconds(10))
        }
        throw DeadlineExceeded("a lock", limit: .seconds(30))
    }

    @Test("because it is full is tried again after a minute, and can be read meanwhile")
    func full() async throws {
        let engine = try await Engine()
        let host = try await engine.host("a")
        let bucket = try await bucket(engine, try await engine.project("web", on: host))
        let trouble = try await fail(engine, bucket, code: "bucket-full", isPausing: true)
        #expect(trouble.wait > .seconds(50) && trouble.wait <= .seconds(60))
        #expect(trouble.refuses(writing: true) && !trouble.refuses(writing: false))
        let due = try await engine.pool.withTransaction { transaction in
            try await BucketHealthStore(transaction).due(every: .seconds(1))
        }
        #expect(due.isEmpty)
        await engine.pool.close()
    }
}
