import Postgres
import Shared
import Testing

@testable import Hub

@Suite("A lease that is given out late in its session", .timeLimit(.minutes(2)))
struct LeaseRenewalTests {
    @Test("lasts as long as its agent counts, from when it asked", arguments: [false, true])
    func renews(isRepeated: Bool) async throws {
        let engine = try await Engine()
        let host = try await engine.host("a")
        let agent = try await ScriptedAgent(engine, host)
        try await agent.open()
        _ = try await engine.service.create(.hostCheck(host), by: engine.author)
        let request = engine.identifiers.make(RequestIdentity.self)
        if isRepeated { #expect(try await agent.lease(request: request).count == 1) }
        // The last heartbeat is long ago.
        try await engine.pool.query(
            "UPDATE sessions SET lease_until = clock_timestamp() + interval '1 second'")
        #expect(try await agent.lease(request: request).count == 1)
        let row = try await engine.pool.query(
            """
            SELECT lease_until > clock_timestamp() + interval '10 seconds' AS is_long FROM sessions
            WHERE host = \(host)
            """
        ).one()
        #expect(try row.decode("is_long", as: Bool.self), "the lease is of 20 s")
    }
}
