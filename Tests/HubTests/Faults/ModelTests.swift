import Glibc
import Testing

@testable import Hub

/// The simulator's store and the product's statements, through the same histories.
///
/// What the simulator finds is only worth what its model of the engine is: leases, fences,
/// heartbeats, cancels, tries and the inbox have to come out the same in both.
@Suite("The simulator's model of the engine", .timeLimit(.minutes(3)))
struct ModelTests {
    private static let seeds: [UInt64] =
        Array(1...(unsafe getenv("BERTH_SOAK") == nil ? 4 : 200))

    @Test("comes to the same as PostgreSQL in random histories", arguments: Self.seeds)
    func same(_ seed: UInt64) async throws {
        var settings = Engine.quick
        // Only what the history says may let time pass.
        settings.lease = .seconds(600)
        settings.heartbeat = .seconds(120)
        let engine = try await Engine(settings)
        var pair = try await ModelPair(engine, seed: seed)
        for number in 0..<120 {
            let step = pair.choose()
            try await pair.take(step)
            let (model, product) = (pair.model(), try await pair.product())
            #expect(model == product, "seed \(seed), step \(number): \(step)")
            if model != product { return }
        }
        // Enough has happened for the comparison to mean something.
        #expect(pair.ends > 5)
    }
}
