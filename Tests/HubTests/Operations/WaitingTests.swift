import Postgres
import Shared
import Testing

@testable import Hub

@Suite("An operation that is not worked on", .timeLimit(.minutes(2)))
struct WaitingTests {
    enum Place: String, CaseIterable {
        case offline, ready, delayed, parked, guarded

        var reason: WaitingReason {
            switch self {
            case .offline: .hostOffline
            case .ready: .ready
            case .delayed: .backoff
            case .parked: .children
            case .guarded: .guarded
            }
        }
    }

    @Test("says why, in a word and a sentence, and since when", arguments: Place.allCases)
    func says(_ place: Place) async throws {
        let engine = try await Engine()
        let host = try await engine.host("a")
        let project = try await engine.project("web", on: host)
        let fleet = try await SequentialFleet(
            engine, [host], through: engine.options, "run", fails: { _, _ in nil })
        let agent = fleet.agents[0]
        if place != .offline { try await fleet.open() }
        let began = try await now(engine)
        let order: OperationOrder =
            switch place {
            case .offline, .ready, .delayed: .hostCheck(host)
            case .parked: .backup(project, BackupOrder())
            case .guarded: .delete(project)
            }
        if place == .guarded {
            // Begun before, and not done when the deletion begins.
            _ = try await engine.service.create(.stop(project), by: engine.author)
            while try await agent.lease(1).isEmpty {
                if try await !fleet.hubTurn() { try await fleet.wait() }
            }
        }
        let id = try await fleet.create(order)
        switch place {
        case .offline, .ready: break
        case .delayed:
            let lease = try #require(try await agent.lease().first)
            try await agent.finish(
                lease, .failed, failure: Failure(code: "x", message: "x", class: .retryable))
        case .parked, .guarded:
            while try await engine.service.describe(id)?.state != .waiting {
                #expect(try await fleet.hubTurn())
            }
        }
        let waiting = try #require(try await engine.service.describe(id)?.waiting)
        #expect(waiting.reason == place.reason)
        #expect(!waiting.sentence.isEmpty)
        let since = try #require(waiting.since)
        let ended = try await now(engine)
        #expect(began <= since && since <= ended)
        #expect((waiting.nextTryAt != nil) == (place == .delayed || place == .guarded))
    }

    private func now(_ engine: Engine) async throws -> Timestamp {
        try await engine.pool.withTransaction { try await WorkflowFactsReader($0).now() }
    }
}
