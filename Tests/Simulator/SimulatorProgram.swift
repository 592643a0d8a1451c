/// The simulator's long runs, as a program: `berth-simulate STATES HISTORIES [FIRST-SEED]`.
public enum SimulatorProgram {
    /// Searches the small fleets until so many states were visited in all, then runs so many random
    /// histories.
    ///
    /// - Returns: the exit code: 1 when an invariant was broken, 2 for wrong arguments.
    public static func run(_ arguments: [String]) -> Int32 {
        if arguments.dropFirst().first == "bugs" { return findBugs(arguments.dropFirst(2)) ? 0 : 1 }
        let numbers = arguments.dropFirst().map { Int($0) }
        guard numbers.count >= 2, let states = numbers[0], let histories = numbers[1] else {
            print("usage: berth-simulate STATES HISTORIES [FIRST-SEED] | bugs [NAME...]")
            return 2
        }
        let first = numbers.count > 2 ? numbers[2] ?? 1 : 1
        let isRight = search(states) && run(histories, from: UInt64(first))
        return isRight ? 0 : 1
    }

    /// Finds every planted bug, and says how long it took.
    private static func findBugs(_ names: ArraySlice<String>) -> Bool {
        var isComplete = true
        for bug in PlantedBug.allCases where names.isEmpty || names.contains(bug.rawValue) {
            let clock = ContinuousClock()
            let start = clock.now
            let found = find(bug, limit: 5000)
            let seconds = (clock.now - start) / .seconds(1)
            if let found {
                print("bug \(bug.rawValue): seed \(found.seed), \(seconds) s, \(found.violation)")
            } else {
                print("bug \(bug.rawValue): NOT FOUND in \(seconds) s")
                isComplete = false
            }
        }
        return isComplete
    }

    /// The first seed whose history shows a planted bug.
    ///
    /// - Parameter limit: how many seeds are tried.
    static func find(_ bug: PlantedBug, limit: UInt64) -> (seed: UInt64, violation: Violation)? {
        for seed in 1...limit {
            let options = Fleets.aimed(at: bug, seed: seed, isPlanted: true)
            if let violation = History(options, seed: seed).run().violation {
                return (seed, violation)
            }
        }
        return nil
    }

    /// How many of so many seeds have a broken history without the bug that they aim at.
    static func falseAlarms(_ bug: PlantedBug, seeds: UInt64) -> Int {
        (1...seeds).count { seed in
            let options = Fleets.aimed(at: bug, seed: seed, isPlanted: false)
            return History(options, seed: seed).run().violation != nil
        }
    }

    private static func search(_ states: Int) -> Bool {
        let clock = ContinuousClock()
        let start = clock.now
        var visited = 0
        for (index, fleet) in Fleets.small.enumerated() {
            let share = max(1, (states - visited) / (Fleets.small.count - index))
            var search = Search(fleet, limit: share)
            let outcome = search.run()
            visited += outcome.states
            print(
                "search \(outcome.name): \(outcome.states) states, \(outcome.transitions) "
                    + "transitions, depth \(outcome.depth), "
                    + (outcome.isWhole ? "whole" : "as far as asked for"))
            if outcome.violation != nil {
                print(outcome.trace.joined(separator: "\n"))
                return false
            }
        }
        print("figure searched_states \(visited)")
        print("figure search_seconds \((clock.now - start) / .seconds(1))")
        return true
    }

    private static func run(_ histories: Int, from first: UInt64) -> Bool {
        let clock = ContinuousClock()
        let start = clock.now
        var steps = 0
        var faults = 0
        var digest: UInt64 = 0
        var broken = 0
        var found: Set<String> = []
        for seed in first..<first + UInt64(histories) {
            let history = History(Fleets.random(seed: seed), seed: seed)
            let outcome = history.run()
            steps += outcome.steps
            faults += outcome.faults
            digest = digest &* 31 &+ outcome.digest
            guard let violation = outcome.violation else { continue }
            broken += 1
            guard found.insert(violation.invariant).inserted else { continue }
            print("seed \(seed): \(violation)")
            print(history.minimised(outcome).joined(separator: "\n"))
        }
        if broken > 0 {
            print("\(broken) of \(histories) histories break an invariant")
            return false
        }
        print("figure random_histories \(histories)")
        print("figure random_steps \(steps)")
        print("figure random_faults \(faults)")
        print("figure random_digest \(digest)")
        print("figure random_seconds \((clock.now - start) / .seconds(1))")
        return true
    }
}
