import Postgres
import Shared
import Testing

@testable import Hub

@Suite("Limits that are changed while work goes on", .timeLimit(.minutes(3)))
struct LiveLimitTests {
    @Test("a new limit counts what runs already, and holds back the rest, which says so")
    func late() async throws {
        let engine = try await Engine()
        let host = try await engine.host("alpha")
        let agent = try await ScriptedAgent(engine, host)
        try await agent.open()
        try await agent.heartbeat([])
        for _ in 0..<6 {
            _ = try await engine.service.create(.hostCheck(host), by: engine.author)
        }
        let running = try await agent.lease(3)
        #expect(running.count == 3)
        var author = engine.author
        author.reason = "too hot"
        let limit = try await engine.service.changeLimit(
            "host:\(host.uuid)", places: 2, by: author)
        #expect(limit?.places == 2)
        #expect(limit?.used == 3)
        #expect(try await agent.lease(3).isEmpty)
        let waiting = try await engine.service.list(
            OperationFilter(state: .queued), before: nil, limit: 10)
        #expect(waiting.count == 3)
        for operation in waiting {
            #expect(operation.waiting?.reason == .noSlot)
            #expect(operation.waiting?.sentence.contains("operations on host alpha") == true)
            #expect(operation.waiting?.sentence.contains("3 of 2") == true)
            #expect(operation.waiting?.since != nil)
        }
        // One end only makes room for those that were too many; the next makes room for one more.
        try await agent.answer(running[0])
        #expect(try await agent.lease(3).isEmpty)
        try await agent.answer(running[1])
        let next = try await agent.lease(3)
        #expect(next.count == 1)
        try await OperationLimits(engine.changes).fitAll()
        let slots = try await engine.pool.query(
            "SELECT number FROM slots WHERE resource = \("host:\(host.uuid)") ORDER BY number")
        #expect(slots.rows.count <= 3)
        #expect(
            try await engine.service.changeLimit("host:\(host.uuid)", places: nil, by: author)
                == nil)
        #expect(try await agent.lease(5).count == 2)
        let changes = try await engine.pool.query(
            "SELECT before, after, changed_by, reason FROM limit_changes ORDER BY number")
        #expect(try changes.rows.map { try $0.decode("before", as: Int?.self) } == [nil, 2])
        #expect(try changes.rows.map { try $0.decode("after", as: Int?.self) } == [2, nil])
        #expect(try changes.rows[0].decode("reason", as: String.self) == "too hot")
    }

    @Test("a limit of one is exact while claimers, ends and changes of the limit race")
    func exact() async throws {
        let engine = try await Engine()
        let host = try await engine.host("alpha")
        let resource = "kind:host.check"
        let limits = OperationLimits(engine.changes)
        try await limits.set(resource, places: 1, by: engine.author)
        let store = OperationBenchStore(
            pool: engine.pool, host: host, identifiers: engine.identifiers)
        let count = 400
        try await store.fill(count)
        let race = LimitRace(engine: engine, host: host, count: count)
        let most = try await race.run(claimers: 16)
        #expect(most == 1)
        try await engine.expectNothingLeft()
    }

    @Test("a change that was broken off between its two steps is finished by the sweep")
    func brokenOff() async throws {
        let engine = try await Engine()
        let host = try await engine.host("alpha")
        let agent = try await ScriptedAgent(engine, host)
        try await agent.open()
        _ = try await engine.service.create(.hostCheck(host), by: engine.author)
        try await engine.changes.run { change in
            let store = LimitStore(change.transaction)
            try await store.write(
                "kind:host.check", places: 1, isDefault: false, by: "test", reason: nil)
            try await store.raiseVersion()
        }
        #expect(try await agent.lease().isEmpty)
        try await OperationLimits(engine.changes).fitAll()
        #expect(try await agent.lease().count == 1)
    }

    @Test("a default never takes the place of what an operator set")
    func defaults() async throws {
        let engine = try await Engine()
        let limits = OperationLimits(engine.changes)
        try await limits.setDefault("kind:move", places: 3)
        try await limits.set("kind:move", places: 0, by: engine.author)
        // As when it was decided before the operator's change was committed.
        try await engine.pool.withTransaction { transaction in
            try await LimitStore(transaction).write(
                "kind:move", places: 5, isDefault: true, by: "hub", reason: nil)
        }
        let known = try await engine.pool.withTransaction { transaction in
            try await LimitStore(transaction).places("kind:move")
        }
        #expect(known?.count == 0 && known?.isDefault == false)
        await engine.pool.close()
    }
}

/// Claimers that race for one place, each ending what it got, while the limit is set anew; how many
/// ran at once at most is read from the database at each claim.
struct LimitRace: Sendable {
    let engine: Engine
    let host: HostID
    let count: Int

    func run(claimers: Int) async throws -> Int {
        let sessions = (0..<claimers).map { _ in
            engine.identifiers.make(SessionIdentity.self)
        }
        for session in sessions {
            try await engine.changes.run { change in
                _ = try await SessionStore(change.transaction).open(
                    session, host: nil, name: "hub", leaseMilliseconds: 600_000)
            }
        }
        let turns = LaneTurns(lane: host.uuid)
        return try await withThrowingTaskGroup(of: Int.self) { group in
            for session in sessions {
                group.addTask { try await claim(session, turns) }
            }
            group.addTask {
                let limits = OperationLimits(engine.changes)
                for _ in 0..<20 {
                    try await limits.set("kind:host.check", places: 1, by: engine.author)
                }
                return 0
            }
            return try await group.reduce(0) { max($0, $1) }
        }
    }

    private func claim(_ session: SessionID, _ turns: LaneTurns) async throws -> Int {
        var most = 0
        while true {
            let claimed = try await turns.claim(
                limit: 3, holder: OperationClaim.Holder(session: session), in: engine.pool)
            guard !claimed.isEmpty else {
                let left = try await engine.pool.query(
                    "SELECT count(*) AS n FROM operation_live"
                ).one().decode("n", as: Int.self)
                if left == 0 { return most }
                try await engine.bell.wait(
                    host.uuid, after: engine.bell.ticket(host.uuid),
                    atMost: .milliseconds(5))
                continue
            }
            let running = try await engine.pool.query("SELECT count(*) AS n FROM operation_run")
            most = max(most, try running.one().decode("n"), claimed.count)
            let outcome = try await OperationFinish(engine.pool).finish(
                claimed.map {
                    FinishedOperation(id: $0.id, epoch: $0.epoch, ending: .succeeded(nil))
                }, host: nil)
            engine.bell.ring(outcome.lanes)
        }
    }
}
