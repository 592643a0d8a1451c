/// Visits every state that a small fleet can come to, breadth first.
///
/// States are told apart by 64 bits of a hash of all that they hold, epochs by their order alone;
/// two of five million are taken for one with a probability of less than one in a million.
public struct Search {
    /// What a search found.
    public struct Outcome: Sendable {
        /// The fleet's name.
        public var name: String
        public var states = 0
        public var transitions = 0
        /// How many steps the longest way has.
        public var depth = 0
        /// Whether every state was visited, and not only as many as were asked for.
        public var isWhole = true
        public var violation: Violation?
        /// The shortest way to the violation.
        public var trace: [String] = []
    }

    private let options: Options
    private let limit: Int
    private var parents: [Int32] = []
    private var choices: [UInt16] = []

    /// - Parameters:
    ///   - options: the fleet.
    ///   - limit: after how many states it ends, at most 2^31 - 1.
    public init(_ options: Options, limit: Int) {
        self.options = options
        self.limit = limit
    }

    /// Searches.
    public mutating func run() -> Outcome {
        let rules = Rules(options)
        var outcome = Outcome(name: options.name)
        var known: Set<Int> = []
        known.reserveCapacity(min(limit, 4_000_000))
        var first = World(rules)
        first.isSearched = true
        known.insert(first.hashValue)
        add(parent: -1, choice: 0)
        var level = [(world: first, number: Int32(0))]
        while !level.isEmpty, outcome.violation == nil {
            var next: [(world: World, number: Int32)] = []
            for (world, number) in level {
                let steps = world.steps(rules)
                if !steps.contains(where: { !$0.isFault }), let wrong = world.unfinished() {
                    fail(wrong, at: number, nil, rules, &outcome)
                    break
                }
                for (choice, step) in steps.enumerated() {
                    var successor = world
                    outcome.transitions += 1
                    do {
                        try successor.apply(step, rules)
                    } catch let violation as Violation {
                        fail(violation, at: number, step, rules, &outcome)
                        break
                    } catch {
                        continue
                    }
                    guard known.insert(successor.hashValue).inserted else { continue }
                    add(parent: number, choice: UInt16(choice))
                    next.append((successor, Int32(parents.count - 1)))
                }
                if outcome.violation != nil { break }
                if parents.count >= limit {
                    outcome.isWhole = false
                    break
                }
            }
            if !outcome.isWhole || outcome.violation != nil { break }
            outcome.depth += 1
            level = next
        }
        outcome.states = parents.count
        return outcome
    }

    private mutating func add(parent: Int32, choice: UInt16) {
        parents.append(parent)
        choices.append(choice)
    }

    /// Goes the way to a state again, to tell it.
    private func fail(
        _ violation: Violation, at number: Int32, _ last: Step?, _ rules: Rules,
        _ outcome: inout Outcome
    ) {
        outcome.violation = violation
        var way: [UInt16] = []
        var at = number
        while at > 0 {
            way.append(choices[Int(at)])
            at = parents[Int(at)]
        }
        var world = World(rules)
        world.isSearched = true
        for choice in way.reversed() {
            let step = world.steps(rules)[Int(choice)]
            outcome.trace.append(step.description)
            // The way was gone before without a violation.
            try? world.apply(step, rules)
        }
        if let last { outcome.trace.append(last.description) }
        outcome.trace.append("\(violation)")
    }
}
