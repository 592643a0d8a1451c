import Postgres
import Shared
import Testing

@testable import Hub

@Suite("An operation that is abandoned", .timeLimit(.minutes(2)))
struct AbandonTests {
    /// Where it is when it is given up.
    enum Place: String, CaseIterable {
        case ready, running, delayed, parked
    }

    private static let author = RegistryWriter.Author(actor: "operator", reason: "it burnt down")

    @Test("ends at once wherever it is, and its worker changes nothing", arguments: Place.allCases)
    func ends(_ place: Place) async throws {
        let engine = try await Engine()
        let host = try await engine.host("a")
        let project = try await engine.project("web", on: host)
        let fleet = try await SequentialFleet(
            engine, [host], through: engine.options, "run", fails: { _, _ in nil })
        try await fleet.open()
        let agent = fleet.agents[0]
        let id = try await fleet.create(
            place == .parked ? .delete(project) : .hostCheck(host))
        var leased: [LeasedOperation] = []
        switch place {
        case .ready: break
        case .running: leased = try await agent.lease()
        case .delayed:
            let once = try #require(try await agent.lease().first)
            try await agent.finish(
                once, .failed, failure: Failure(code: "x", message: "x", class: .retryable))
        case .parked:
            // Its part runs on the host.
            while leased.isEmpty {
                if try await !fleet.hubTurn() { try await fleet.wait() }
                leased = try await agent.lease()
            }
        }
        let ended = try #require(try await engine.service.abandon(id, by: Self.author))
        #expect(ended.state == .failed)
        #expect(ended.failure?.code == "abandoned")
        #expect(ended.failure?.message.contains("operator: it burnt down") == true)
        try await engine.expectNothingLeft()
        let epoch = try await engine.pool.query(
            "SELECT epoch FROM operation_end WHERE operation = \(id)"
        ).one().decode("epoch", as: Int64.self)
        for lease in leased {
            #expect(epoch > lease.epoch)
            #expect(try await agent.heartbeat(leased).lost == [lease.id])
            try await agent.finish(lease)
            #expect(try await agent.heartbeat([], interrupted: [lease.id]).ended == [lease.id])
        }
        // What it held is free, and its end stays as it is.
        #expect(try await engine.service.abandon(id, by: engine.author)?.failure == ended.failure)
        #expect(try await engine.service.describe(id)?.failure == ended.failure)
        _ = try await engine.service.create(.delete(project), by: engine.author)
        try await engine.expectOneStateEach()
    }

    @Test("as a part lets its parent decide what follows")
    func part() async throws {
        let engine = try await Engine()
        let host = try await engine.host("a")
        let project = try await engine.project("web", on: host)
        let fleet = try await SequentialFleet(
            engine, [host], through: engine.options, "run", fails: { _, _ in nil })
        try await fleet.open()
        let id = try await fleet.create(.backup(project, BackupOrder()))
        while try await engine.service.describe(id)?.state != .waiting {
            if try await !fleet.hubTurn() { try await fleet.wait() }
        }
        let part = try #require(try await engine.service.describe(id)?.children?.first)
        _ = try await engine.service.abandon(part, by: Self.author)
        try await fleet.settle(id, hostsWork: true)
        #expect(try await engine.service.describe(id)?.failure?.code == "abandoned")
        try await engine.expectNothingLeft()
    }
}
