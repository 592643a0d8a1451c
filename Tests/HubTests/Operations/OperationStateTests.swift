import Postgres
import Shared
import Testing

@testable import Hub

@Suite("An operation", .timeLimit(.minutes(2)))
struct OperationStateTests {
    @Test("is queued, running, then succeeded, with its attempt in the history")
    func wholeLife() async throws {
        let engine = try await Engine()
        let host = try await engine.host("alpha")
        let agent = try await ScriptedAgent(engine, host)
        let created = try await engine.service.create(.hostCheck(host), by: engine.author)
        #expect(created.operation.state == .queued)
        #expect(created.operation.waiting?.reason == .hostOffline)
        try await agent.open()
        let queued = try #require(try await engine.service.describe(created.operation.id))
        #expect(queued.waiting?.reason == .ready)
        let leased = try #require(try await agent.lease().first)
        #expect(leased.attempt == 1)
        let running = try #require(try await engine.service.describe(leased.id))
        #expect(running.state == .running)
        #expect(running.epoch == leased.epoch)
        try await agent.finish(leased, result: .string("hello"))
        let ended = try #require(
            try await engine.service.waitForTerminal(leased.id, atMost: .seconds(5)))
        #expect(ended.state == .succeeded)
        #expect(ended.result == .string("hello"))
        #expect(ended.attempts?.map(\.end) == ["succeeded"])
        #expect(ended.attempts?.first?.owner == "alpha")
        try await engine.expectNothingLeft()
    }

    @Test("is made once when sixteen ask for it at the same time")
    func oneOfSixteen() async throws {
        let engine = try await Engine()
        let host = try await engine.host("alpha")
        let project = try await engine.project("web", on: host)
        let created = try await withThrowingTaskGroup(of: CreatedOperation.self) { group in
            for _ in 0..<16 {
                group.addTask {
                    try await engine.service.create(.stop(project), by: engine.author)
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(Set(created.map(\.operation.id)).count == 1)
        #expect(created.filter { !$0.isReplay }.count == 1)
        #expect(try await engine.service.list(OperationFilter(), before: nil, limit: 10).count == 1)
    }

    @Test("goes to exactly one of eight sessions that ask at the same time")
    func oneClaim() async throws {
        let engine = try await Engine()
        let host = try await engine.host("alpha")
        let created = try await withThrowingTaskGroup(of: OperationID.self) { group in
            for _ in 0..<200 {
                group.addTask {
                    try await engine.service.create(.hostCheck(host), by: engine.author)
                        .operation.id
                }
            }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        // Hub sessions: opening a host's session would end its others.
        let sessions = (0..<8).map { _ in engine.identifiers.make(SessionIdentity.self) }
        for session in sessions {
            try await engine.changes.run { change in
                _ = try await SessionStore(change.transaction).open(
                    session, host: nil, name: "hub", leaseMilliseconds: 60_000)
            }
        }
        let claimed = try await withThrowingTaskGroup(of: [ClaimedOperation].self) { group in
            for session in sessions {
                group.addTask {
                    let turns = LaneTurns(lane: host.uuid)
                    var all: [ClaimedOperation] = []
                    while true {
                        let some = try await turns.claim(
                            limit: 7, holder: OperationClaim.Holder(session: session),
                            in: engine.pool)
                        if some.isEmpty { return all }
                        all += some
                    }
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(claimed.count == 200)
        #expect(Set(claimed.map(\.id)) == created)
        #expect(Set(claimed.map(\.epoch)).count == 200)
        try await engine.expectOneStateEach()
    }

    @Test("keeps its end: a paused session's outcome after the rescue changes nothing")
    func fence() async throws {
        let engine = try await Engine()
        let host = try await engine.host("alpha")
        let paused = try await ScriptedAgent(engine, host)
        let created = try await engine.service.create(.hostCheck(host), by: engine.author)
        try await paused.open()
        let old = try #require(try await paused.lease().first)
        try await engine.pool.query(
            "UPDATE sessions SET lease_until = clock_timestamp() - interval '1 second'")
        try await engine.rescue.sweep()
        let again = try #require(try await engine.service.describe(created.operation.id))
        #expect(again.state == .queued)
        #expect(again.waiting?.reason == .hostOffline)
        // The agent comes back with a new session, and with the old session's outcome.
        try await paused.open()
        let new = try #require(try await paused.lease().first)
        #expect(new.epoch > old.epoch)
        #expect(new.attempt == 2)
        try await paused.finish(old, .failed, failure: Failure(code: "late", message: "late"))
        #expect(try await engine.service.describe(new.id)?.state == .running)
        try await paused.finish(new, result: .string("second"))
        try await paused.finish(old, result: .string("first"))
        let ended = try #require(try await engine.service.describe(new.id))
        #expect(ended.result == .string("second"))
        #expect(ended.attempts?.map(\.end) == ["lease-lost", "succeeded"])
        await #expect(throws: (any Error).self) {
            try await engine.pool.query("UPDATE operation_end SET state = 'expired'")
        }
    }

    @Test("is given to the same request again with the same answer")
    func repeatedRequest() async throws {
        let engine = try await Engine()
        let host = try await engine.host("alpha")
        let agent = try await ScriptedAgent(engine, host)
        for _ in 0..<3 { _ = try await engine.service.create(.hostCheck(host), by: engine.author) }
        try await agent.open()
        let request = engine.identifiers.make(RequestIdentity.self)
        let first = try await agent.lease(2, request: request)
        #expect(first.count == 2)
        #expect(try await agent.lease(2, request: request) == first)
        #expect(try await agent.lease(2).count == 1)
    }

    @Test("is claimable at once when its host opens another session")
    func newSession() async throws {
        let engine = try await Engine()
        let host = try await engine.host("alpha")
        let agent = try await ScriptedAgent(engine, host)
        _ = try await engine.service.create(.hostCheck(host), by: engine.author)
        try await agent.open()
        let old = try #require(try await agent.lease().first)
        let before = await agent.session
        try await agent.open()
        let new = try #require(try await agent.lease().first)
        #expect(new.id == old.id)
        #expect(new.epoch > old.epoch)
        await #expect(throws: Problem.self) {
            _ = try await engine.service.lease(
                LeaseRequest(
                    session: before, request: engine.identifiers.make(RequestIdentity.self),
                    capacity: 1, waitMilliseconds: 0), host: host)
        }
    }

    @Test("is released when its session does not list it any more, and then reported as lost")
    func unlisted() async throws {
        var settings = Engine.quick
        settings.heartbeat = .milliseconds(1)
        let engine = try await Engine(settings)
        let host = try await engine.host("alpha")
        let agent = try await ScriptedAgent(engine, host)
        _ = try await engine.service.create(.hostCheck(host), by: engine.author)
        try await agent.open()
        let leased = try await agent.lease()
        let kept = try await agent.heartbeat(leased)
        #expect(kept.lost.isEmpty)
        try await engine.pool.query(
            "UPDATE operation_run SET listed_at = claimed_at - interval '1 second'")
        try await agent.heartbeat([])
        #expect(try await engine.service.describe(leased[0].id)?.state == .queued)
        #expect(try await agent.heartbeat(leased).lost == leased.map(\.id))
    }

    @Test("is tried again after a retryable failure, with a pause, until its attempts are used up")
    func retries() async throws {
        let engine = try await Engine()
        let host = try await engine.host("alpha")
        let agent = try await ScriptedAgent(engine, host)
        let id = try await engine.service.create(.hostCheck(host), by: engine.author).operation.id
        try await agent.open()
        let failure = Failure(code: "busy", message: "the disk is busy", class: .retryable)
        for attempt in 1...3 {
            let leased = try #require(try await agent.lease().first)
            #expect(leased.attempt == attempt)
            try await agent.finish(leased, .failed, failure: failure)
            let now = try #require(try await engine.service.describe(id))
            guard attempt < 3 else { continue }
            #expect(now.state == .queued)
            #expect(now.waiting?.reason == .backoff)
            #expect(now.waiting?.nextTryAt != nil)
            #expect(try await agent.lease().isEmpty)
            try await engine.pool.query("UPDATE operation_delayed SET due_at = clock_timestamp()")
            try await engine.rescue.sweep()
        }
        let ended = try #require(try await engine.service.describe(id))
        #expect(ended.state == .failed)
        #expect(ended.failure?.code == "busy")
        try await engine.expectNothingLeft()
    }

    @Test("is given up when its leases are lost as often as it may be tried")
    func losesAllLeases() async throws {
        let engine = try await Engine()
        let host = try await engine.host("alpha")
        let agent = try await ScriptedAgent(engine, host)
        let id = try await engine.service.create(.hostCheck(host), by: engine.author).operation.id
        for _ in 0..<3 {
            try await agent.open()
            #expect(try await agent.lease().count == 1)
        }
        try await agent.open()
        let ended = try #require(try await engine.service.describe(id))
        #expect(ended.state == .failed)
        #expect(ended.failure?.code == "lease-lost")
    }

    @Test("keeps its lease while it makes progress, and loses it when it does not")
    func noProgress() async throws {
        let engine = try await Engine()
        let host = try await engine.host("alpha")
        let agent = try await ScriptedAgent(engine, host)
        let id = try await engine.service.create(.hostCheck(host), by: engine.author).operation.id
        try await agent.open()
        let leased = try await agent.lease()
        let progress = Progress(
            time: Timestamp(milliseconds: 0), phase: "read", phaseIndex: 1, phaseCount: 2, done: 1)
        try await agent.heartbeat(leased, progress: progress)
        #expect(try await engine.service.describe(id)?.progress == progress)
        // Within a second only a change of phase is stored.
        var more = progress
        more.done = 2
        try await agent.heartbeat(leased, progress: more)
        #expect(try await engine.service.describe(id)?.progress == progress)
        more.phase = "write"
        try await agent.heartbeat(leased, progress: more)
        #expect(try await engine.service.describe(id)?.progress == more)
        var told: [ProgressEntry] = []
        while told.count < 2 {
            told = try await engine.service.progress(of: id, after: .start).entries
        }
        #expect(told.map(\.progress) == [progress, more])
        try await engine.pool.query(
            "UPDATE operation_run SET progress_at = claimed_at - interval '2 hours'")
        try await engine.rescue.sweep()
        let taken = try #require(try await engine.service.describe(id))
        #expect(taken.state == .queued)
        #expect(taken.attempts?.map(\.end) == ["no-progress"])
    }

    @Test("is canceled at once while nobody works on it")
    func cancelQueued() async throws {
        let engine = try await Engine()
        let host = try await engine.host("alpha")
        let id = try await engine.service.create(.hostCheck(host), by: engine.author).operation.id
        let canceled = try #require(try await engine.service.cancel(id, by: engine.author))
        #expect(canceled.state == .canceled)
        #expect(canceled.isCancelConfirmed == true)
        #expect(try await engine.service.cancel(id, by: engine.author)?.state == .canceled)
        try await engine.expectNothingLeft()
    }

    @Test("is canceled when its worker confirms, and not before")
    func cancelRunning() async throws {
        let engine = try await Engine()
        let host = try await engine.host("alpha")
        let agent = try await ScriptedAgent(engine, host)
        let id = try await engine.service.create(.hostCheck(host), by: engine.author).operation.id
        try await agent.open()
        let leased = try await agent.lease()
        let asked = try #require(try await engine.service.cancel(id, by: engine.author))
        #expect(asked.state == .running)
        #expect(asked.cancelRequestedAt != nil)
        #expect(try await agent.heartbeat(leased).canceled == [id])
        try await agent.finish(leased[0], .canceled)
        let ended = try #require(try await engine.service.describe(id))
        #expect(ended.state == .canceled)
        #expect(ended.isCancelConfirmed == true)
    }

    @Test("is canceled without confirmation when its lease ran out")
    func cancelLost() async throws {
        let engine = try await Engine()
        let host = try await engine.host("alpha")
        let agent = try await ScriptedAgent(engine, host)
        let id = try await engine.service.create(.hostCheck(host), by: engine.author).operation.id
        try await agent.open()
        _ = try await agent.lease()
        _ = try await engine.service.cancel(id, by: engine.author)
        try await engine.pool.query(
            "UPDATE sessions SET lease_until = clock_timestamp() - interval '1 second'")
        try await engine.rescue.sweep()
        let ended = try #require(try await engine.service.describe(id))
        #expect(ended.state == .canceled)
        #expect(ended.isCancelConfirmed == false)
    }

    @Test("that waits for its next try is canceled at once")
    func cancelDelayed() async throws {
        let engine = try await Engine()
        let host = try await engine.host("alpha")
        let agent = try await ScriptedAgent(engine, host)
        let id = try await engine.service.create(.hostCheck(host), by: engine.author).operation.id
        try await agent.open()
        let leased = try #require(try await agent.lease().first)
        try await agent.finish(
            leased, .failed, failure: Failure(code: "x", message: "x", class: .retryable))
        #expect(try await engine.service.cancel(id, by: engine.author)?.state == .canceled)
        try await engine.expectNothingLeft()
    }
}
