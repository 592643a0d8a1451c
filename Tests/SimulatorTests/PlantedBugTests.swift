import Testing

@testable import Simulator

/// The simulator is only trusted because it finds what is planted.
@Suite("Bugs that are planted", .timeLimit(.minutes(5)))
struct PlantedBugTests {
    /// Those that histories find; behind the others there is a second line of defence, which holds.
    static let reachable: [PlantedBug] = [
        .ackBeforeCommit, .leaseFromAnswer, .noFence, .ackBySubject, .leaseDoesNotRenew,
        .appliedTwice, .nullAsFalse, .snapshotBeforeIndex, .commitNotCompared, .freshTooHigh,
        .recordedUnpinned, .copyOvertakes, .selectThenInsert, .wallClockLease, .sessionKept,
        .terminalChanges, .copyUnpinned, .supersededApplied, .guardReleasedEarly, .reportApart,
    ]

    @Test("are at least fifteen")
    func enough() {
        #expect(Set(Self.reachable).count >= 15)
    }

    @Test(
        "are found within seconds, and without them the same seeds are fine",
        arguments: Self.reachable)
    func found(_ bug: PlantedBug) {
        let found = SimulatorProgram.find(bug, limit: 5000)
        #expect(found != nil, "\(bug) was not found")
        guard let seed = found?.seed else { return }
        let options = Fleets.aimed(at: bug, seed: seed, isPlanted: false)
        let unbroken = History(options, seed: seed).run()
        #expect(
            unbroken.violation == nil, "seed \(seed): \(String(describing: unbroken.violation))")
    }

    @Test("a history that breaks an invariant is told in few steps")
    func minimised() {
        for seed in 1...2000 as ClosedRange<UInt64> {
            let history = History(
                Fleets.random(seed: seed, bugs: [.snapshotBeforeIndex]), seed: seed)
            let outcome = history.run()
            guard outcome.violation != nil else { continue }
            let told = history.minimised(outcome)
            #expect(told.count < outcome.taken.count)
            #expect(told.last?.hasPrefix("I2") == true)
            return
        }
        Issue.record("snapshotBeforeIndex was not found")
    }
}
