import Postgres
import Shared
import Testing

@testable import Hub

@Suite("A lease under a guard", .timeLimit(.minutes(2)))
struct GuardLeaseTests {
    /// Lets the hub work until the host has something to do.
    private static func leased(
        _ fleet: SequentialFleet, _ order: OperationOrder
    ) async throws -> LeasedOperation {
        try await fleet.open()
        _ = try await fleet.create(order)
        var leased: [LeasedOperation] = []
        while leased.isEmpty {
            if try await !fleet.hubTurn() { try await fleet.wait() }
            leased = try await fleet.agents[0].lease(1)
        }
        return try #require(leased.first)
    }

    @Test("carries the guard's epoch, and other leases carry none")
    func carries() async throws {
        let engine = try await Engine()
        for (name, isGuarded) in [("web", true), ("mail", false)] {
            let host = try await engine.host("host-\(name)")
            let project = try await engine.project(name, on: host)
            let fleet = try await SequentialFleet(
                engine, [host], through: engine.options, name, fails: { _, _ in nil })
            let lease = try await Self.leased(
                fleet, isGuarded ? .delete(project) : .backup(project, BackupOrder()))
            let epoch = try await engine.pool.query(
                "SELECT epoch FROM guards WHERE project = \(project)"
            ).first?.decode("epoch", as: Int64.self)
            #expect(lease.guardEpoch == epoch)
            #expect((epoch != nil) == isGuarded)
            #expect(lease.epoch > epoch ?? 0)
        }
    }

    @Test("is not a try while an earlier run of the same operation has not stopped on its host")
    func slowStop() async throws {
        var settings = Engine.quick
        settings.heartbeat = .milliseconds(50)
        let engine = try await Engine(settings)
        let host = try await engine.host("a")
        let agent = try await ScriptedAgent(engine, host)
        let id = try await engine.service.create(.hostCheck(host), by: engine.author).operation.id
        try await agent.open()
        let first = try #require(try await agent.lease().first)
        try await engine.pool.query(
            "UPDATE sessions SET lease_until = clock_timestamp() - interval '1 second'")
        try await engine.rescue.sweep()
        try await agent.open()
        // More often than it may be tried.
        for _ in 0..<5 {
            let again = try #require(try await agent.lease().first)
            #expect(again.attempt == 2)
            // The interval is what is tested.
            try await Task.sleep(for: .milliseconds(60))
            #expect(try await agent.heartbeat([first]).lost == [id])
        }
        let last = try #require(try await agent.lease().first)
        #expect(last.attempt == 2)
        try await agent.finish(last)
        let ended = try #require(try await engine.service.describe(id))
        #expect(ended.state == .succeeded)
        #expect(ended.attempts?.map(\.end) == ["lease-lost", "waiting: earlier-run", "succeeded"])
    }

    @Test("a heartbeat tells a host which of its interrupted operations have ended, and only those")
    func ended() async throws {
        let engine = try await Engine()
        let host = try await engine.host("a")
        let other = try await engine.host("b")
        let agent = try await ScriptedAgent(engine, host)
        var ids: [OperationID] = []
        for place in [host, host, other] {
            ids.append(
                try await engine.service.create(.hostCheck(place), by: engine.author)
                    .operation.id)
        }
        try await agent.open()
        _ = try await engine.service.cancel(ids[0], by: engine.author)
        _ = try await engine.service.cancel(ids[2], by: engine.author)
        let unknown = engine.identifiers.make(OperationIdentity.self)
        let answer = try await agent.heartbeat([], interrupted: ids + [unknown])
        // One lives, one is another host's, one is not known: they are kept.
        #expect(answer.ended == [ids[0]])
    }
}
