import Testing

@testable import Simulator

@Suite("The simulated fleet", .timeLimit(.minutes(5)))
struct SimulatorTests {
    @Test("keeps all invariants in random histories, and comes to its end", arguments: 1...40)
    func random(_ seed: Int) {
        let history = History(Fleets.random(seed: UInt64(seed)), seed: UInt64(seed))
        let outcome = history.run()
        let way = outcome.violation == nil ? [] : history.minimised(outcome)
        #expect(outcome.violation == nil, "seed \(seed):\n\(way.joined(separator: "\n"))")
        #expect(outcome.steps > 20)
    }

    @Test("a seed is the same history on every run", arguments: 1...20)
    func replays(_ seed: Int) {
        let options = Fleets.random(seed: UInt64(seed))
        let first = History(options, seed: UInt64(seed)).run()
        let second = History(options, seed: UInt64(seed)).run()
        #expect(first.digest == second.digest)
        #expect(first.taken == second.taken)
        let other = History(options, seed: UInt64(seed + 1000)).run()
        #expect(first.digest != other.digest)
    }

    @Test("is searched breadth first, in small fleets", arguments: Fleets.small.indices)
    func searched(_ index: Int) {
        var search = Search(Fleets.small[index], limit: 4000)
        let outcome = search.run()
        #expect(outcome.violation == nil, "\(outcome.trace.joined(separator: "\n"))")
        #expect(outcome.states >= 1000 || outcome.isWhole)
    }
}
