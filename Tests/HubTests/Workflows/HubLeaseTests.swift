import Platform
import Postgres
import Shared
import Testing

@testable import Hub

@Suite("A hub that works under a lease", .timeLimit(.minutes(3)))
struct HubLeaseTests {
    /// When the work of a chore began, and when it was told to stop.
    private struct Times: Sendable {
        var began: ContinuousClock.Instant?
        var stopped: ContinuousClock.Instant?
    }

    /// Work that goes on until it is told to stop.
    private static func longChore(_ times: Locked<Times>) -> WorkflowRunner.ChoreWork {
        { _, _, _ in
            times.withLock { $0.began = .now }
            do {
                try await Task.sleep(for: .seconds(600))
            } catch {
                times.withLock { $0.stopped = .now }
                throw error
            }
            return .snapshotsRemoved
        }
    }

    @Test("stops its work before the lease is over when its database does not answer any more")
    func stopsItself() async throws {
        var settings = Engine.quick
        settings.lease = .seconds(9)
        settings.heartbeat = .seconds(1)
        let engine = try await Engine(settings)
        let proxy = try WireProxy(to: engine.options)
        defer { proxy.stop() }
        let hub = Engine(again: engine, through: proxy.options)
        let host = try await engine.host("a")
        let project = try await engine.project("web", on: host)
        try await engine.backup(of: project)
        let times = Locked(Times())
        let runner = WorkflowRunner(
            hub.changes, settings: settings, identifiers: hub.identifiers, log: hub.log,
            hasPath: { _, _ in true },
            chores: Self.longChore(times))
        _ = try await engine.service.create(.prune(project), by: engine.author)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await runner.run() }
            try await withDeadline(.seconds(60), "the work's begin") {
                while times.withLock({ $0.began }) == nil {
                    try await Task.sleep(for: .milliseconds(10))
                }
            }
            // A heartbeat has been sent at most now: the lease is over nine seconds later.
            let stalled = ContinuousClock.now
            proxy.stall()
            try await withDeadline(.seconds(60), "the work's end") {
                while times.withLock({ $0.stopped }) == nil {
                    try await Task.sleep(for: .milliseconds(10))
                }
            }
            let stopped = try #require(times.withLock { $0.stopped })
            #expect(stopped - stalled < settings.lease)
            // Whoever waits for the silent server hears that it is gone.
            proxy.stop()
            group.cancelAll()
            while await group.nextResult() != nil {}
        }
    }

    @Test("stops its work in a repository soon after its operation was abandoned")
    func abandoned() async throws {
        let engine = try await Engine()
        let host = try await engine.host("a")
        let project = try await engine.project("web", on: host)
        try await engine.backup(of: project)
        let times = Locked(Times())
        let runner = WorkflowRunner(
            engine.changes, settings: engine.settings, identifiers: engine.identifiers,
            log: engine.log, hasPath: { _, _ in true },
            chores: Self.longChore(times))
        let id = try await engine.service.create(.prune(project), by: engine.author).operation.id
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await runner.run() }
            defer { group.cancelAll() }
            try await withDeadline(.seconds(60), "the work's begin") {
                while times.withLock({ $0.began }) == nil {
                    try await Task.sleep(for: .milliseconds(10))
                }
            }
            _ = try await engine.service.abandon(id, by: engine.author)
            try await withDeadline(.seconds(20), "the work's end") {
                while times.withLock({ $0.stopped }) == nil {
                    try await Task.sleep(for: .milliseconds(10))
                }
            }
            #expect(try await engine.service.describe(id)?.state.isTerminal == true)
        }
        await engine.pool.close()
    }

    /// How often a chore was begun, how often at the same time, and how often it was told to stop.
    private struct Counts: Sendable {
        var begun = 0
        var atOnce = 0
        var most = 0
        var stopped = 0
    }

    /// Runs two hubs while the chore of one prune is done, whose lease may be silent for 300 ms, and
    /// answers how the operation ended.
    private func run(
        _ settings: OperationSettings, _ counts: Locked<Counts>,
        _ chore: @escaping @Sendable (Int) async throws -> Void
    ) async throws -> OperationDescription? {
        let engine = try await Engine(settings)
        let host = try await engine.host("a")
        let project = try await engine.project("web", on: host)
        try await engine.backup(of: project)
        let work: WorkflowRunner.ChoreWork = { _, _, _ in
            let number = counts.withLock { counts in
                counts.begun += 1
                counts.atOnce += 1
                counts.most = max(counts.most, counts.atOnce)
                return counts.begun
            }
            defer { counts.withLock { $0.atOnce -= 1 } }
            try await chore(number)
            return .refused(Failure(code: "over", message: "over"))
        }
        let runners = [engine, Engine(again: engine)].map { hub in
            WorkflowRunner(
                hub.changes, settings: settings, identifiers: hub.identifiers, log: hub.log,
                hasPath: { _, _ in true }, chores: work)
        }
        let id = try await engine.service.create(.prune(project), by: engine.author).operation.id
        try await engine.pool.query("UPDATE operation_live SET silence_milliseconds = 300")
        return try await withThrowingTaskGroup(of: Void.self) { group in
            for runner in runners { group.addTask { try await runner.run() } }
            group.addTask { try await engine.rescue.run() }
            let ended = try await engine.service.waitForTerminal(id, atMost: .seconds(60))
            group.cancelAll()
            while await group.nextResult() != nil {}
            return ended
        }
    }

    @Test("keeps work that has nothing to say for as long as it is at it")
    func isQuiet() async throws {
        var settings = Engine.quick
        settings.heartbeat = .milliseconds(50)
        let counts = Locked(Counts())
        let ended = try await run(settings, counts) { _ in
            // Longer than a lease may be silent.
            try await Task.sleep(for: .seconds(2))
        }
        #expect(ended?.failure?.code == "over")
        #expect(counts.withLock { $0.begun } == 1)
    }

    @Test("stops work that is silent for too long, and only then is it tried again")
    func stopsSilent() async throws {
        var settings = Engine.quick
        settings.heartbeat = .milliseconds(50)
        settings.choreSilence = .milliseconds(400)
        let counts = Locked(Counts())
        let ended = try await run(settings, counts) { number in
            guard number == 1 else { return }
            do {
                try await Task.sleep(for: .seconds(600))
            } catch {
                counts.withLock { $0.stopped += 1 }
                // It stops slowly: what it waits for does not hear that it is cancelled.
                let end = ContinuousClock.now + .milliseconds(200)
                while ContinuousClock.now < end { await Task.yield() }
                throw error
            }
        }
        #expect(ended?.failure?.code == "over")
        let seen = counts.withLock { $0 }
        #expect(seen.begun == 2)
        #expect(seen.stopped == 1)
        #expect(seen.most == 1)
    }

    @Test("keeps its work while a connection breaks now and then")
    func survives() async throws {
        var settings = Engine.quick
        // Long: a slow machine is no reason to stop, only the broken connections are looked at.
        settings.lease = .seconds(60)
        settings.heartbeat = .milliseconds(100)
        let engine = try await Engine(settings)
        let host = try await engine.host("a")
        let project = try await engine.project("web", on: host)
        try await engine.backup(of: project)
        let began = Locked(0)
        let isOver = Locked(false)
        let runner = WorkflowRunner(
            engine.changes, settings: settings, identifiers: engine.identifiers, log: engine.log,
            hasPath: { _, _ in true },
            chores: { _, _, _ in
                began.withLock { $0 += 1 }
                while !isOver.withLock({ $0 }) { try await Task.sleep(for: .milliseconds(10)) }
                return .refused(Failure(code: "over", message: "over"))
            })
        let id = try await engine.service.create(.prune(project), by: engine.author).operation.id
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await runner.run() }
            group.addTask { try await engine.rescue.run() }
            // What has not begun is only tried again; this is about what has.
            while began.withLock({ $0 }) == 0 { try await Task.sleep(for: .milliseconds(10)) }
            for _ in 0..<10 {
                try await Task.sleep(for: .milliseconds(100))
                let connection = try await PostgresConnection.connect(engine.options)
                try await connection.query(
                    """
                    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                    WHERE datname = current_database() AND pid <> pg_backend_pid()
                    """)
                await connection.close()
            }
            isOver.withLock { $0 = true }
            var ended: OperationDescription?
            while ended?.state.isTerminal != true {
                ended = try await engine.stubborn {
                    try await engine.service.waitForTerminal(id, atMost: .seconds(30))
                }
            }
            #expect(ended?.failure?.code == "over")
            #expect(began.withLock { $0 } == 1)
            group.cancelAll()
            while await group.nextResult() != nil {}
        }
    }
}
