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
