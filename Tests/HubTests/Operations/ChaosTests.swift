import Platform
import Postgres
import Shared
import Testing

@testable import Hub

@Suite("Connections that break at any statement", .timeLimit(.minutes(5)))
struct ChaosTests {
    /// Numbers of a seed, the same on every run.
    private struct Seeded: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            var mixed = state
            mixed ^= mixed >> 33
            mixed = mixed &* 0xff51_afd7_ed55_8ccd
            mixed ^= mixed >> 33
            return mixed
        }
    }

    @Test(
        "leave every operation with one state, all ended, and no slot, guard or pin behind",
        arguments: [1, 2, 3] as [UInt64])
    func broken(_ seed: UInt64) async throws {
        var settings = Engine.quick
        // Longer than all the strikes: a host that went offline may rightly fail a move.
        settings.lease = .seconds(10)
        settings.heartbeat = .milliseconds(500)
        let engine = try await Engine(settings)
        let hostA = try await engine.host("a")
        let hostB = try await engine.host("b")
        var projects: [ProjectID] = []
        for number in 0..<6 {
            projects.append(
                try await engine.project(
                    "p\(number)", on: hostA, isProvisioned: number > 0, isWanted: number > 1))
        }
        let all = projects
        try await engine.running {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (host, name) in [(hostA, "a"), (hostB, "b")] {
                    group.addTask { try await Self.agent(engine, host, name) }
                }
                try await Self.hostsAreReady(engine)
                let ids = try await Self.create(engine, all, hostB)
                group.addTask { try await Self.strike(engine, seed) }
                for id in ids {
                    var ended: OperationDescription?
                    while ended?.state.isTerminal != true {
                        ended = try await engine.stubborn {
                            try await engine.service.waitForTerminal(id, atMost: .seconds(60))
                        }
                    }
                    #expect(
                        ended?.state == .succeeded,
                        "\(ended?.kind.rawValue ?? ""): \(ended?.failure?.description ?? "")")
                }
                group.cancelAll()
                while await group.nextResult() != nil {}
            }
            try await engine.stubborn { try await engine.expectNothingLeft() }
            try await engine.stubborn { try await engine.expectOneStateEach() }
            let moved = try await engine.stubborn { try await engine.facts(all[2]) }
            #expect(moved.host == hostB && moved.generation == 2)
        }
    }

    static func create(
        _ engine: Engine, _ projects: [ProjectID], _ target: HostID
    ) async throws -> [OperationID] {
        let orders: [OperationOrder] = [
            .start(projects[0]), .backup(projects[1], BackupOrder()),
            .move(projects[2], MoveOrder(target: target)), .stop(projects[3]),
            .delete(projects[4]), .backup(projects[5], BackupOrder()), .start(projects[1]),
        ]
        var ids: [OperationID] = []
        for order in orders {
            ids.append(
                try await engine.stubborn {
                    try await engine.service.create(order, by: engine.author)
                }
                .operation.id)
        }
        return ids
    }

    static func hostsAreReady(_ engine: Engine) async throws {
        while try await engine.pool.query("SELECT count(*) AS n FROM host_status").one()
            .decode("n", as: Int.self) < 2
        {
            try await engine.bell.wait(
                "never", after: engine.bell.ticket("never"), atMost: .milliseconds(20))
        }
    }

    /// Ends all of the database's connections, at moments that follow from the seed.
    private static func strike(_ engine: Engine, _ seed: UInt64) async throws {
        var random = Seeded(state: seed)
        let connection = try await PostgresConnection.connect(engine.options)
        for _ in 0..<25 {
            try await Task.sleep(for: .milliseconds(Int.random(in: 5...150, using: &random)))
            try await connection.query(
                """
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()
                """)
        }
        await connection.close()
    }

    /// An agent as it should be: work and its report are stored before they are sent, and every
    /// request is repeated until it is answered.
    static func agent(_ engine: Engine, _ host: HostID, _ name: String) async throws {
        let agent = try await ScriptedAgent(engine, host, name)
        while !Task.isCancelled {
            do {
                try await engine.stubborn { try await agent.open() }
                while true {
                    _ = try await engine.stubborn { try await agent.heartbeat([]) }
                    let request = engine.identifiers.make(RequestIdentity.self)
                    let leased = try await engine.stubborn {
                        try await agent.lease(2, wait: 200, request: request)
                    }
                    for operation in leased {
                        let content = try await engine.stubborn {
                            try await agent.outcome(of: operation)
                        }
                        try await agent.deliver(content)
                    }
                }
            } catch let problem as Problem where problem.code == "session-ended" {
                continue
            } catch is CancellationError {
                return
            }
        }
    }
}
