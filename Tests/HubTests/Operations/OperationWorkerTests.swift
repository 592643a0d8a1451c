import Platform
import Postgres
import Shared
import Testing

@testable import Hub

@Suite("A worker of one lane", .timeLimit(.minutes(3)))
struct OperationWorkerTests {
    private func worker(
        _ engine: Engine, _ host: HostID, batch: Int = 10, _ work: @escaping OperationWorker.Work
    ) -> OperationWorker {
        var options = OperationWorker.Options()
        options.lane = host.uuid
        options.batch = batch
        return OperationWorker(
            engine.changes, settings: engine.settings, identifiers: engine.identifiers,
            options: options, log: engine.log, work: work)
    }

    private func ended(_ engine: Engine) async throws -> Int {
        try await engine.pool.query("SELECT count(*) AS n FROM operation_end").one().decode("n")
    }

    @Test("does each operation once, and leaves one body, one end and nothing else")
    func once() async throws {
        let engine = try await Engine()
        let host = try await engine.host("alpha")
        let store = OperationBenchStore(
            pool: engine.pool, host: host, identifiers: engine.identifiers)
        try await store.fill(700)
        let seen = Locked<[OperationID: Int]>([:])
        let worker = worker(engine, host) { operation in
            seen.withLock { $0[operation.id, default: 0] += 1 }
            return .succeeded(.object(["attempt": .number(Double(operation.attempt))]))
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await worker.run() }
            defer { group.cancelAll() }
            while try await ended(engine) < 700 {
                try await engine.bell.wait(
                    "x", after: engine.bell.ticket("x"), atMost: .milliseconds(20))
            }
        }
        #expect(seen.withLock { $0.count } == 700)
        #expect(seen.withLock { $0.values.allSatisfy { $0 == 1 } })
        try await engine.expectNothingLeft()
        let rows = try await engine.pool.query(
            """
            SELECT count(*) AS ends, count(*) FILTER (WHERE attempt = 1 AND owner = 'hub'
                AND claimed_at <= finished_at AND begun_at = claimed_at) AS whole,
                (SELECT count(*) FROM operation_attempt) AS attempts FROM operation_end
            """
        ).one()
        #expect(try rows.decode("ends", as: Int.self) == 700)
        #expect(try rows.decode("whole", as: Int.self) == 700)
        #expect(try rows.decode("attempts", as: Int.self) == 0)
    }

    @Test("tries a failure again, with both leases in the history")
    func retry() async throws {
        let engine = try await Engine()
        let host = try await engine.host("alpha")
        let created = try await engine.service.create(.hostCheck(host), by: engine.author)
        let worker = worker(engine, host) { operation in
            operation.attempt == 1
                ? .failed(Failure(code: "flaky", message: "once", class: .retryable))
                : .succeeded(nil)
        }
        let id = created.operation.id
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await worker.run() }
            group.addTask { try await engine.rescue.run() }
            defer { group.cancelAll() }
            _ = try await engine.service.waitForTerminal(id, atMost: .seconds(20))
        }
        let operation = try #require(try await engine.service.describe(id))
        #expect(operation.state == .succeeded)
        #expect(operation.attempts?.map(\.end) == ["flaky", "succeeded"])
        #expect(operation.attempts?.map(\.attempt) == [1, 2])
        #expect(operation.startedAt == operation.attempts?.first?.startedAt)
    }

    @Test("ends everything exactly once while its connections are cut again and again")
    func cut() async throws {
        var settings = Engine.quick
        settings.lease = .seconds(3)
        settings.heartbeat = .milliseconds(500)
        let engine = try await Engine(settings)
        let host = try await engine.host("alpha")
        let store = OperationBenchStore(
            pool: engine.pool, host: host, identifiers: engine.identifiers)
        try await store.fill(3000)
        let again = Engine(again: engine, limits: PostgresPool.Limits(connections: 8))
        let worker = worker(again, host) { _ in .succeeded(nil) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await worker.run() }
            group.addTask { try await engine.rescue.run() }
            defer { group.cancelAll() }
            var cuts = 0
            while try await ended(engine) < 3000 {
                cuts += 1
                try await engine.bell.wait(
                    "x", after: engine.bell.ticket("x"), atMost: .milliseconds(50))
                // Connections that live no longer than it takes to make them do no work: on a
                // machine under load nothing would ever end.
                if cuts > 60 { continue }
                try await engine.pool.query(
                    """
                    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                    WHERE datname = current_database() AND pid <> pg_backend_pid()
                        AND random() < 0.3
                    """)
            }
            #expect(cuts > 5)
        }
        try await engine.expectNothingLeft()
    }

    @Test("that was paused beyond its lease ends nothing any more")
    func paused() async throws {
        let engine = try await Engine()
        let host = try await engine.host("alpha")
        let store = OperationBenchStore(
            pool: engine.pool, host: host, identifiers: engine.identifiers)
        try await store.fill(50)
        let session = engine.identifiers.make(SessionIdentity.self)
        try await engine.changes.run { change in
            _ = try await SessionStore(change.transaction).open(
                session, host: nil, name: "hub", leaseMilliseconds: 60_000)
        }
        let claimed = try await LaneTurns(lane: host.uuid).claim(
            limit: 50, holder: OperationClaim.Holder(session: session), in: engine.pool)
        #expect(claimed.count == 50)
        try await engine.pool.query(
            "UPDATE sessions SET lease_until = clock_timestamp() - interval '1 second'")
        try await engine.rescue.sweep()
        let late = try await OperationFinish(engine.pool).finish(
            claimed.map { FinishedOperation(id: $0.id, epoch: $0.epoch, ending: .succeeded(nil)) },
            host: nil)
        #expect(late.ended.isEmpty)
        #expect(try await ended(engine) == 0)
        // Nor does its session get anything.
        #expect(
            try await LaneTurns(lane: host.uuid).claim(
                limit: 50, holder: OperationClaim.Holder(session: session), in: engine.pool
            ).isEmpty)
    }

    @Test("ends its work although a heartbeat touches it in the same moment")
    func heartbeat() async throws {
        let engine = try await Engine()
        let host = try await engine.host("alpha")
        let agent = try await ScriptedAgent(engine, host)
        try await agent.open()
        _ = try await engine.service.create(.hostCheck(host), by: engine.author)
        let leased = try #require(try await agent.lease().first)
        let finished = [
            FinishedOperation(id: leased.id, epoch: leased.epoch, ending: .succeeded(nil))
        ]
        try await withThrowingTaskGroup(of: Int.self) { group in
            try await engine.pool.withTransaction { transaction in
                try await transaction.query(
                    "UPDATE operation_run SET listed_at = clock_timestamp()")
                group.addTask {
                    try await OperationFinish(engine.pool).finish(finished, host: host)
                        .ended.count
                }
                // It has begun, and waits for the heartbeat's row.
                var waiting = 0
                while waiting == 0 {
                    waiting = try await engine.pool.query(
                        """
                        SELECT count(*) AS n FROM pg_stat_activity
                        WHERE datname = current_database() AND wait_event_type = 'Lock'
                        """
                    ).one().decode("n")
                }
            }
            #expect(try await group.next() == 1)
        }
        try await engine.expectNothingLeft()
    }
}

@Suite("The rescue", .timeLimit(.minutes(2)))
struct RescueTests {
    @Test("ends what nobody has begun by its deadline, and leaves alone what runs")
    func deadline() async throws {
        let engine = try await Engine()
        let host = try await engine.host("alpha")
        let agent = try await ScriptedAgent(engine, host)
        try await agent.open()
        let first = try await engine.service.create(.hostCheck(host), by: engine.author)
        #expect(try await agent.lease(1).count == 1)
        let second = try await engine.service.create(.hostCheck(host), by: engine.author)
        let due = try await engine.pool.query(
            "SELECT min(expires_at) > clock_timestamp() AS due FROM operation_live")
        #expect(try due.one().decode("due", as: Bool.self))
        try await engine.pool.query(
            "UPDATE operation_live SET expires_at = clock_timestamp() - interval '1 second'")
        try await engine.rescue.sweep()
        #expect(try await engine.service.describe(first.operation.id)?.state == .running)
        #expect(try await engine.service.describe(second.operation.id)?.state == .expired)
    }

    @Test("ends a workflow that nobody has begun by its deadline, and none that has begun")
    func workflowDeadline() async throws {
        let engine = try await Engine()
        let host = try await engine.host("alpha")
        let late = try await engine.project("late", on: host)
        let begun = try await engine.project("begun", on: host)
        let first = try await engine.service.create(.stop(begun), by: engine.author).operation.id
        let runner = WorkflowRunner(
            engine.changes, settings: engine.settings, identifiers: engine.identifiers,
            log: engine.log, hasPath: { _, _ in true })
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await runner.run() }
            while try await engine.service.describe(first)?.state != .waiting {
                try await engine.bell.wait(
                    "x", after: engine.bell.ticket("x"), atMost: .milliseconds(20))
            }
            group.cancelAll()
            while await group.nextResult() != nil {}
        }
        let second = try await engine.service.create(.stop(late), by: engine.author).operation.id
        try await engine.pool.query(
            """
            UPDATE operation_live SET expires_at = clock_timestamp() - interval '1 second'
            WHERE parent IS NULL
            """)
        try await engine.rescue.sweep()
        #expect(try await engine.service.describe(second)?.state == .expired)
        let kept = try #require(try await engine.service.describe(first))
        #expect(kept.state == .waiting)
        // Why it was parked stays in its history.
        #expect(kept.attempts?.map(\.end) == ["waiting: children"])
    }

    @Test("every kind of order has a deadline", arguments: OperationKind.allCases)
    func deadlines(_ kind: OperationKind) {
        let isPart = kind.rawValue.contains(".") && !kind.rawValue.hasPrefix("host.")
        #expect((OperationPolicy.of(kind).deadline != nil) == !isPart)
    }

    @Test("is not held up by a row that nobody can read, nor by one that is locked")
    func poisoned() async throws {
        let engine = try await Engine()
        let host = try await engine.host("alpha")
        let agent = try await ScriptedAgent(engine, host)
        try await agent.open()
        var ids: [OperationID] = []
        for _ in 0..<20 {
            ids.append(
                try await engine.service.create(.hostCheck(host), by: engine.author)
                    .operation.id)
        }
        #expect(try await agent.lease(20).count == 20)
        // One body is of a kind that this hub does not know, and one tree is held by somebody.
        try await engine.pool.withTransaction { transaction in
            try await transaction.execute(
                script: """
                    ALTER TABLE operations DISABLE TRIGGER operation_is_final;
                    UPDATE operations SET kind = 'host.dance' WHERE id = '\(ids[3].uuid)';
                    ALTER TABLE operations ENABLE TRIGGER operation_is_final;
                    """)
        }
        try await engine.pool.query(
            "UPDATE sessions SET lease_until = clock_timestamp() - interval '1 second'")
        let holder = try await PostgresConnection.connect(engine.options)
        try await holder.withTransaction { transaction in
            try await OperationStore(transaction).lockTrees([ids[7]])
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await engine.rescue.sweep() }
                var queued = 0
                let begin = ContinuousClock.now
                while queued < 18, ContinuousClock.now - begin < .seconds(9) {
                    queued = try await engine.pool.query(
                        "SELECT count(*) AS n FROM operation_ready"
                    ).one().decode("n")
                    try await engine.bell.wait(
                        "x", after: engine.bell.ticket("x"), atMost: .milliseconds(20))
                }
                #expect(queued == 18)
                group.cancelAll()
                while let result = await group.nextResult() { _ = result }
            }
        }
        await holder.close()
        try await engine.rescue.sweep()
        let rest = try await engine.pool.query("SELECT operation FROM operation_run")
        #expect(try rest.rows.map { try $0.decode("operation", as: OperationID.self) } == [ids[3]])
    }
}
