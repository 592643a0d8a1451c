import Platform
import Postgres
import Shared
import Testing

@testable import Hub

/// A hub that was away, or whose database was, does not hold its absence against the hosts.
@Suite("A hub that was away", .timeLimit(.minutes(2)))
struct AbsenceTests {
    /// A fleet of one host that works, and a hub that was there with it.
    private struct World {
        let engine: Engine
        let host: HostID
        let agent: ScriptedAgent
        let hub: WorkerSession
        let hubSession: SessionID
        let operation: LeasedOperation

        init() async throws {
            engine = try await Engine()
            host = try await engine.host("a")
            agent = try await ScriptedAgent(engine, host)
            hub = WorkerSession(engine.changes, settings: engine.settings, rescue: engine.rescue)
            hubSession = engine.identifiers.make(SessionIdentity.self)
            try await hub.open(hubSession)
            try await agent.open()
            _ = try await engine.service.create(.hostCheck(host), by: engine.author)
            operation = try #require(try await agent.lease().first)
            try await agent.heartbeat([operation])
            try await hub.beat(hubSession, held: [])
        }

        /// Nobody reached the database for so long.
        func passes(_ seconds: Int) async throws {
            try await engine.pool.query(
                """
                UPDATE sessions SET renewed_at = renewed_at - \(seconds) * interval '1 second',
                    lease_until = lease_until - \(seconds) * interval '1 second'
                """)
            try await engine.pool.query(
                """
                UPDATE operation_run SET claimed_at = claimed_at - \(seconds) * interval '1 second',
                    listed_at = listed_at - \(seconds) * interval '1 second',
                    progress_at = progress_at - \(seconds) * interval '1 second'
                """)
        }

        func state() async throws -> HostState? {
            try await engine.pool.withTransaction { try await HostReader($0).host(host)?.state }
        }

        func isOnline() async throws -> Bool? {
            try await engine.pool.withTransaction {
                try await WorkflowFactsReader($0).host(host)?.isOnline
            }
        }

        func expectUnharmed() async throws {
            #expect(try await state() == .ready)
            #expect(try await isOnline() == true)
            try await engine.rescue.sweep()
            let found = try await engine.service.describe(operation.id)
            #expect(found?.state == .running)
        }
    }

    @Test(
        "finds every host and lease as it left them, and gives them one lease more",
        arguments: [12, 30, 3600])
    func restart(seconds: Int) async throws {
        let world = try await World()
        try await world.passes(seconds)
        // Also before it has looked: whoever judges them looks at when a hub was there.
        if seconds > 20 { try await world.expectUnharmed() }
        let next = Engine(again: world.engine)
        try await next.service.prepare()
        let hub = WorkerSession(next.changes, settings: next.settings, rescue: next.rescue)
        try await hub.open(next.identifiers.make(SessionIdentity.self))
        try await world.expectUnharmed()
        let answer = try await world.agent.heartbeat([world.operation])
        #expect(answer.lost.isEmpty)
        try await world.agent.finish(world.operation)
        let ended = try await world.engine.service.describe(world.operation.id)
        #expect(ended?.state == .succeeded)
        #expect(ended?.attempts?.count == 1)
        await next.pool.close()
    }

    @Test("costs no try of what hosts had to break off meanwhile", arguments: [false, true])
    func noTry(isReported: Bool) async throws {
        let world = try await World()
        var operation = world.operation
        // More often than it may be tried.
        for _ in 0..<5 {
            try await world.passes(60)
            try await world.engine.service.prepare()
            if isReported {
                try await world.agent.finish(
                    operation, .failed,
                    failure: Failure(
                        code: "hub-unreachable", message: "away", class: .retryable))
                try await world.engine.pool.query(
                    "UPDATE operation_delayed SET due_at = clock_timestamp()")
                try await world.engine.rescue.sweep()
            } else {
                // It does not list any more what it stopped.
                try await world.agent.heartbeat([])
            }
            operation = try #require(try await world.agent.lease().first)
            #expect(operation.attempt == 1)
            try await world.hub.open(world.engine.identifiers.make(SessionIdentity.self))
            try await world.agent.heartbeat([operation])
        }
        try await world.agent.finish(operation)
        #expect(
            try await world.engine.service.describe(operation.id)?.state == .succeeded)
    }

    @Test("that could not reach its database gives the same when it can again")
    func outage() async throws {
        let world = try await World()
        try await world.passes(45)
        try await world.expectUnharmed()
        // Its own session has run out: what it worked on is not its own any more.
        await #expect(throws: Problem.self) {
            try await world.hub.beat(world.hubSession, held: [])
        }
        try await world.hub.open(world.engine.identifiers.make(SessionIdentity.self))
        try await world.expectUnharmed()
    }

    @Test("takes a lease back that is not renewed within one lease of its return (D7)")
    func fences() async throws {
        let world = try await World()
        try await world.passes(60)
        try await world.engine.service.prepare()
        let hub = world.engine.identifiers.make(SessionIdentity.self)
        try await world.hub.open(hub)
        // The host does not come back, and a hub stays.
        try await world.passes(21)
        try await world.engine.pool.query(
            """
            UPDATE sessions SET renewed_at = clock_timestamp(),
                lease_until = clock_timestamp() + interval '20 seconds' WHERE id = \(hub)
            """)
        #expect(try await world.state() == .silent)
        try await world.engine.rescue.sweep()
        #expect(try await world.engine.service.describe(world.operation.id)?.state == .queued)
        try await world.agent.finish(world.operation)
        #expect(try await world.engine.service.describe(world.operation.id)?.state == .queued)
    }

    @Test("still knows that a host was silent before")
    func silentBefore() async throws {
        let world = try await World()
        try await world.engine.pool.query(
            """
            UPDATE sessions SET lease_until = clock_timestamp() - interval '1 second'
            WHERE node = 'host'
            """)
        try await world.passes(60)
        try await world.engine.service.prepare()
        #expect(try await world.state() == .silent)
        try await world.engine.rescue.sweep()
        #expect(try await world.engine.service.describe(world.operation.id)?.state == .queued)
    }
}
