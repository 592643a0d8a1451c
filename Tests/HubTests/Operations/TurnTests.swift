import Postgres
import Shared
import Testing

@testable import Hub

@Suite("Turns between owners", .timeLimit(.minutes(2)))
struct TurnTests {
    private func operation(_ engine: Engine, _ host: HostID, by actor: String) -> NewOperation {
        let id = engine.identifiers.make(OperationIdentity.self)
        return NewOperation(
            id: id, kind: .hostCheck, scopeKind: .host, scope: host.uuid, project: nil,
            lane: host.uuid, input: .object([:]), createdBy: actor, root: id)
    }

    @Test("ten thousand operations of one owner do not keep another's single one waiting")
    func fair() async throws {
        let engine = try await Engine()
        let host = try await engine.host("alpha")
        let agent = try await ScriptedAgent(engine, host)
        try await agent.open()
        for _ in 0..<2 {
            try await engine.pool.withTransaction { transaction in
                _ = try await OperationStore(transaction).create(
                    (0..<5000).map { _ in operation(engine, host, by: "greedy") })
            }
        }
        // The hub knows of the one owner when the other comes.
        #expect(try await agent.lease(10).count == 10)
        let single = operation(engine, host, by: "modest")
        try await engine.pool.withTransaction { transaction in
            _ = try await OperationStore(transaction).create(single)
        }
        var claims = 0
        let begin = ContinuousClock.now
        while true {
            let leased = try await agent.lease(10)
            claims += 1
            if leased.contains(where: { $0.id == single.id }) { break }
            #expect(ContinuousClock.now - begin < .seconds(2))
        }
        // All turns that are known go round: the next claim has both.
        let more = [operation(engine, host, by: "modest"), operation(engine, host, by: "third")]
        try await engine.pool.withTransaction { transaction in
            _ = try await OperationStore(transaction).create(more)
        }
        try await engine.bell.wait("x", after: engine.bell.ticket("x"), atMost: .seconds(1))
        let next = Set(try await agent.lease(9).map(\.id))
        #expect(next.isSuperset(of: more.map(\.id)))
        #expect(next.count == 9)
    }

    @Test("every owner of very many gets a turn")
    func many() async throws {
        let engine = try await Engine()
        let host = try await engine.host("alpha")
        let session = engine.identifiers.make(SessionIdentity.self)
        try await engine.changes.run { change in
            _ = try await SessionStore(change.transaction).open(
                session, host: nil, name: "hub", leaseMilliseconds: 600_000)
            _ = try await OperationStore(change.transaction).create(
                (0..<700).map { operation(engine, host, by: "owner-\($0)") })
        }
        let turns = LaneTurns(lane: host.uuid)
        var found = 0
        for _ in 0..<40 {
            found += try await turns.claim(
                limit: 50, holder: OperationClaim.Holder(session: session), in: engine.pool
            ).count
        }
        #expect(found == 700)
    }
}
