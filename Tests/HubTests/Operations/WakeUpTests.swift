import Platform
import Postgres
import Shared
import Testing

@testable import Hub

@Suite("Waking up", .timeLimit(.minutes(2)))
struct WakeUpTests {
    @Test("whoever waits for a lane is woken by its ring, also by one between a look and the wait")
    func rings() async throws {
        let bell = OperationBell()
        let ticket = bell.ticket("a")
        bell.ring(["b"])
        bell.ring(["a"])
        // The ring came before the wait: it counts.
        try await bell.wait("a", after: ticket, atMost: .seconds(60))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<50 {
                let now = bell.ticket("a")
                group.addTask { try await bell.wait("a", after: now, atMost: .seconds(60)) }
            }
            bell.wake("a")
            try await group.waitForAll()
        }
        let all = bell.ticket("a")
        bell.ringAll()
        try await bell.wait("a", after: all, atMost: .seconds(60))
    }

    @Test("a wait ends with its time and with its task")
    func ends() async throws {
        let bell = OperationBell()
        try await bell.wait("a", after: bell.ticket("a"), atMost: .milliseconds(10))
        await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await bell.wait("a", after: bell.ticket("a"), atMost: .seconds(60))
            }
            group.cancelAll()
            await #expect(throws: CancellationError.self) { try await group.waitForAll() }
        }
    }

    @Test("another hub's bell is heard through the database")
    func betweenHubs() async throws {
        let engine = try await Engine()
        let other = OperationBell()
        let here = WakeUpRelay(
            pool: engine.pool, bell: engine.bell, database: engine.options, log: engine.log)
        let there = WakeUpRelay(
            pool: engine.pool, bell: other, database: engine.options, log: engine.log)
        try await withThrowingTaskGroup(of: Void.self) { group in
            // The first ring of the other hub is that it has begun to listen.
            let beginning = other.ticket("a")
            group.addTask { try await there.run() }
            try await other.wait("a", after: beginning, atMost: .seconds(30))
            #expect(other.ticket("a") != beginning)
            group.addTask { try await here.run() }
            let ticket = other.ticket("a")
            engine.bell.ring(["a"])
            try await other.wait("a", after: ticket, atMost: .seconds(30))
            #expect(other.ticket("a") != ticket)
            group.cancelAll()
            while await group.nextResult() != nil {}
        }
    }

    @Test("an idle agent gets work long before it would have looked again")
    func latency() async throws {
        var settings = Engine.quick
        settings.poll = .seconds(5)
        let engine = try await Engine(settings)
        let host = try await engine.host("a")
        let agent = try await ScriptedAgent(engine, host)
        try await agent.open()
        let clock = ContinuousClock()
        var slowest = Duration.zero
        for _ in 0..<20 {
            async let leased = agent.lease(1, wait: 20_000)
            let created = try await engine.service.create(.hostCheck(host), by: engine.author)
            let since = clock.now
            let operation = try #require(try await leased.first)
            slowest = max(slowest, clock.now - since)
            #expect(operation.id == created.operation.id)
            try await agent.finish(operation)
        }
        // Far below the poll's time even on a machine under load.
        #expect(slowest < .seconds(2), "\(slowest)")
    }
}
