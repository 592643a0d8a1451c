import Platform
import Postgres
import Shared
import Testing

@testable import Hub

@Suite("Agents that have nothing to do", .timeLimit(.minutes(2)))
struct IdleTests {
    /// An engine whose own bell is not rung by others, with what looks after idle agents.
    private func running(
        _ body: @escaping @Sendable (Engine, OperationService, ScriptedAgent) async throws -> Void
    ) async throws {
        let engine = try await Engine()
        let agent = try await ScriptedAgent(engine, try await engine.host("a"), "a")
        try await agent.open()
        let pool = PostgresPool(engine.options)
        let bell = OperationBell()
        let service = OperationService(
            pool: pool, bell: bell, settings: engine.settings, identifiers: engine.identifiers,
            log: engine.log)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for part in service.services(
                database: engine.options, chores: WorkflowRunner.noChores,
                hasPath: { _, _ in true })
            where part is LaneWatch || part is IdleAgents {
                group.addTask { try await part.run() }
            }
            defer { group.cancelAll() }
            try await body(engine, service, agent)
        }
        await pool.close()
        await engine.pool.close()
    }

    private func poll(
        _ agent: ScriptedAgent, _ engine: Engine, wait: Int64
    ) async -> LeaseRequest {
        LeaseRequest(
            session: await agent.session,
            request: engine.identifiers.make(RequestIdentity.self), capacity: 4,
            waitMilliseconds: wait)
    }

    @Test("a poll that waits is answered although the bell was not heard")
    func lostBell() async throws {
        try await running { engine, service, agent in
            // Twice: the second one waits without having asked.
            for _ in 0..<2 {
                let empty = try await service.lease(
                    await poll(agent, engine, wait: 1100), host: agent.host)
                #expect(empty.operations.isEmpty)
            }
            let request = await poll(agent, engine, wait: 30_000)
            async let answer = service.lease(request, host: agent.host)
            try await Task.sleep(for: .milliseconds(200))
            // By another hub, whose bell this one does not hear.
            let begin = ContinuousClock.now
            let made = try await engine.service.create(
                .hostCheck(agent.host), by: engine.author)
            #expect(try await answer.operations.map(\.id) == [made.operation.id])
            #expect(ContinuousClock.now - begin < .seconds(5))
            // The repetition of a request gets the same answer.
            let again = try await service.lease(request, host: agent.host)
            #expect(again.operations.map(\.id) == [made.operation.id])
        }
    }

    @Test("heartbeats without work keep the session open, and end with it")
    func heartbeats() async throws {
        try await running { engine, service, agent in
            @Sendable func beat(_ session: SessionID) async throws -> HeartbeatAnswer {
                try await service.heartbeat(
                    HeartbeatRequest(
                        session: session, held: [],
                        status: HostStatus(
                            agentVersion: "7", filesystem: nil, freeBytes: 42, totalBytes: 43,
                            outboxPending: 0, trouble: nil)), host: agent.host)
            }
            let session = await agent.session
            @Sendable func left() async throws -> Double {
                try await engine.pool.query(
                    """
                    SELECT extract(epoch FROM lease_until - clock_timestamp())::float8 AS left
                    FROM sessions WHERE id = \(session)
                    """
                ).one().decode("left")
            }
            try await engine.pool.query(
                """
                UPDATE sessions SET lease_until = clock_timestamp() + interval '5 seconds'
                WHERE id = \(session)
                """)
            // Several at once, as after a network's trouble.
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<5 { group.addTask { _ = try await beat(session) } }
                try await group.waitForAll()
            }
            #expect(try await left() > 15)
            let seen = try await engine.pool.withTransaction {
                try await HostReader($0).host(agent.host)
            }
            #expect(seen?.status?.freeBytes == 42)
            // Another session of the host ends this one.
            try await agent.open()
            let ended = await #expect(throws: Problem.self) { _ = try await beat(session) }
            #expect(ended?.code == "session-ended")
            let poll = await #expect(throws: Problem.self) {
                _ = try await service.lease(
                    LeaseRequest(
                        session: session,
                        request: engine.identifiers.make(RequestIdentity.self), capacity: 1,
                        waitMilliseconds: 0), host: agent.host)
            }
            #expect(poll?.code == "session-ended")
        }
    }

    @Test("a lease whose answer was lost is taken back although the agent says that it has none")
    func lostAnswer() async throws {
        try await running { engine, service, agent in
            let made = try await engine.service.create(
                .hostCheck(agent.host), by: engine.author)
            let lost = try await service.lease(
                await poll(agent, engine, wait: 0), host: agent.host)
            #expect(lost.operations.map(\.id) == [made.operation.id])
            try await engine.pool.query(
                "UPDATE operation_run SET listed_at = claimed_at - interval '1 minute'")
            _ = try await service.heartbeat(
                HeartbeatRequest(
                    session: await agent.session, held: [],
                    status: HostStatus(
                        agentVersion: "7", filesystem: nil, freeBytes: 1, totalBytes: 2,
                        outboxPending: 0, trouble: nil)), host: agent.host)
            let again = try await service.lease(
                await poll(agent, engine, wait: 5000), host: agent.host)
            #expect(again.operations.map(\.id) == [made.operation.id])
            #expect(again.operations.first?.epoch ?? 0 > lost.operations.first?.epoch ?? 0)
        }
    }

    @Test("a lease that is listed is kept, also where another transaction has its row just then")
    func listedWhileLocked() async throws {
        try await running { engine, service, agent in
            let made = try await engine.service.create(
                .hostCheck(agent.host), by: engine.author)
            let leased = try await service.lease(
                await poll(agent, engine, wait: 0), host: agent.host)
            let held = try #require(leased.operations.first)
            try await engine.pool.query(
                "UPDATE operation_run SET listed_at = claimed_at - interval '1 minute'")
            let session = await agent.session
            try await engine.pool.withTransaction { transaction in
                try await transaction.query(
                    "SELECT FROM operation_run WHERE operation = \(held.id) FOR NO KEY UPDATE")
                let answer = try await service.heartbeat(
                    HeartbeatRequest(
                        session: session,
                        held: [HeldLease(operation: held.id, epoch: held.epoch)],
                        status: HostStatus(
                            agentVersion: "7", filesystem: nil, freeBytes: 1, totalBytes: 2,
                            outboxPending: 0, trouble: nil)), host: agent.host)
                #expect(answer.lost.isEmpty)
            }
            let states = try await engine.pool.query(
                "SELECT state FROM operation_states WHERE operation = \(made.operation.id)")
            #expect(try states.one().decode("state") == "running")
        }
    }

    @Test("a host's token is known without a look-up, until it is revoked")
    func tokens() async throws {
        let engine = try await Engine()
        let host = try await engine.host("a")
        let token = BearerToken(new: .host)
        let admin = BearerToken(new: .admin)
        try await engine.pool.withTransaction { transaction in
            let store = TokenStore(transaction)
            try await store.insert(
                id: engine.identifiers.make(TokenIdentity.self), kind: .host, hash: token.hash,
                name: "a", host: host, lifetimeSeconds: nil)
            try await store.insert(
                id: engine.identifiers.make(TokenIdentity.self), kind: .admin, hash: admin.hash,
                name: "anna", host: nil, lifetimeSeconds: nil)
        }
        let cache = PrincipalCache(pool: engine.pool, log: engine.log)
        @Sendable func look(_ token: BearerToken) async throws {
            let turn = cache.turn
            let found = try await engine.pool.withTransaction {
                try await TokenStore($0).principal(hash: token.hash)
            }
            if let found { cache.keep(found, hash: token.hash, turn: turn) }
        }
        // Nobody looks for ended tokens: nothing is kept.
        try await look(token)
        #expect(cache.host(hash: token.hash) == nil)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await cache.run() }
            try await eventually {
                try await look(token)
                return cache.host(hash: token.hash)?.host == host
            }
            try await look(admin)
            #expect(cache.host(hash: admin.hash) == nil)
            try await engine.pool.withTransaction {
                try await TokenStore($0).revoke(kind: .host, host: host)
            }
            let begin = ContinuousClock.now
            try await eventually { cache.host(hash: token.hash) == nil }
            #expect(ContinuousClock.now - begin < .seconds(4))
            group.cancelAll()
        }
        #expect(cache.host(hash: token.hash) == nil)
        await engine.pool.close()
    }
}
