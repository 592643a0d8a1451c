import Platform
import Postgres
import Shared
import Testing

@testable import Hub

@Suite("Fencing numbers that are raised", .timeLimit(.minutes(2)))
struct EpochTests {
    private func draw(_ engine: Engine) async throws -> Int64 {
        try await engine.pool.withTransaction {
            try await OperationTransitions($0).drawEpoch()
        }
    }

    @Test("never come twice and never go back, however many hosts raise them at once")
    func raises() async throws {
        let engine = try await Engine()
        let drawn = try await withThrowingTaskGroup(of: [Int64].self) { group in
            for member in 0..<8 {
                group.addTask {
                    var drawn: [Int64] = []
                    for round in 0..<100 {
                        // What hosts have seen differs a little.
                        let seen = Int64(round * 40 + member * 7)
                        try await engine.pool.withTransaction {
                            try await HistoryStore($0).raiseEpoch(above: seen)
                        }
                        let next = try await draw(engine)
                        #expect(next > seen)
                        drawn.append(next)
                    }
                    return drawn
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(Set(drawn).count == drawn.count)
    }

    @Test("are not drawn between the look and the change of a raise")
    func excludes() async throws {
        let engine = try await Engine()
        try await engine.pool.withTransaction { raising in
            try await HistoryStore(raising).raiseEpoch(above: 5000)
            await #expect(throws: PostgresError.self) {
                try await engine.pool.withTransaction { drawing in
                    try await drawing.query("SET LOCAL lock_timeout = '200ms'")
                    _ = try await OperationTransitions(drawing).drawEpoch()
                }
            }
        }
        #expect(try await draw(engine) > 5000)
    }
}
