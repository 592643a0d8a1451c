import Platform
import Postgres
import Shared
import Testing

@testable import Hub

@Suite("A host that has a session and has not said yet how it is", .timeLimit(.minutes(1)))
struct HostStateTests {
    private func state(_ engine: Engine, _ host: HostID) async throws -> HostState? {
        try await engine.pool.withTransaction { try await HostReader($0).host(host)?.state }
    }

    private func counts(_ engine: Engine) async throws -> HostCounts {
        try await engine.pool.withTransaction { try await HostReader($0).counts() }
    }

    private func roomiest(_ engine: Engine) async throws -> HostID? {
        try await engine.pool.withTransaction { try await HostStore($0).roomiest() }
    }

    @Test("is shown as arriving, and nothing is placed on it; so it is in every new session")
    func arriving() async throws {
        let engine = try await Engine()
        let host = try await engine.host("a")
        let agent = try await ScriptedAgent(engine, host)
        #expect(try await state(engine, host) == .silent)
        for _ in 0..<2 {
            try await agent.open()
            #expect(try await state(engine, host) == .arriving)
            #expect(
                try await counts(engine)
                    == HostCounts(ready: 0, troubled: 0, silent: 0, expected: 0, arriving: 1))
            #expect(try await roomiest(engine) == nil)
            try await agent.heartbeat([])
            #expect(try await state(engine, host) == .ready)
            #expect(
                try await counts(engine)
                    == HostCounts(ready: 1, troubled: 0, silent: 0, expected: 0, arriving: 0))
            #expect(try await roomiest(engine) == host)
        }
    }

    @Test("is there for a move that names it, as source and as target")
    func moves() async throws {
        let engine = try await Engine()
        let (here, there) = (try await engine.host("a"), try await engine.host("b"))
        let (source, target) = (
            try await ScriptedAgent(engine, here), try await ScriptedAgent(engine, there)
        )
        let project = try await engine.project("web", on: here)
        try await source.open()
        try await target.open()
        let move = try await engine.service.create(
            .move(project, MoveOrder(target: there)), by: engine.author)
        #expect(try await engine.service.describe(move.operation.id)?.state == .queued)
        for host in [here, there] {
            let facts = try await engine.pool.withTransaction {
                try await WorkflowFactsReader($0).host(host)
            }
            #expect(facts?.isOnline == true)
        }
    }
}
