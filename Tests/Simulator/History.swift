/// One run of the fleet along a seed: people and faults first, then calm, in which everything must
/// come to its end.
public struct History: Sendable {
    /// How many steps everything may take to come to its end afterwards.
    static let calmSteps = 6000

    let options: Options
    let seed: UInt64

    /// What a run was.
    public struct Outcome: Sendable {
        /// How many steps it had.
        public var steps = 0
        /// How many of them were faults.
        public var faults = 0
        /// Of all steps, so that equal runs have equal digests.
        public var digest: UInt64 = 0xCBF2_9CE4_8422_2325
        /// What was broken; nil for nothing.
        public var violation: Violation?
        var taken: [Step] = []
    }

    /// - Parameters:
    ///   - options: the fleet; its orders are taken as they are.
    ///   - seed: of all choices.
    public init(_ options: Options, seed: UInt64) {
        self.options = options
        self.seed = seed
    }

    /// Runs it.
    public func run() -> Outcome {
        let rules = Rules(options)
        var world = World(rules)
        var random = SeededRandom(seed: seed)
        var outcome = Outcome()
        do {
            for _ in 0..<options.disturbedSteps {
                guard let step = Self.choose(world.steps(rules), &random) else { break }
                try Self.take(step, &world, rules, &outcome)
            }
            world.isCalm = true
            try Self.settle(&world, rules, &random, &outcome)
        } catch let violation as Violation {
            outcome.violation = violation
        } catch {
            outcome.violation = Violation(invariant: "simulator", text: "\(error)")
        }
        return outcome
    }

    private static func take(
        _ step: Step, _ world: inout World, _ rules: Rules, _ outcome: inout Outcome
    ) throws {
        outcome.taken.append(step)
        outcome.steps += 1
        if step.isFault { outcome.faults += 1 }
        for byte in step.description.utf8 {
            outcome.digest = (outcome.digest ^ UInt64(byte)) &* 0x100_0000_01B3
        }
        try world.apply(step, rules)
    }

    private static func settle(
        _ world: inout World, _ rules: Rules, _ random: inout SeededRandom,
        _ outcome: inout Outcome
    ) throws {
        for round in 0..<calmSteps {
            let steps = world.steps(rules).filter { !$0.isFault }
            if steps.isEmpty || round % 16 == 0 && rules.options.lease > 0, world.isQuiet {
                break
            }
            guard !steps.isEmpty else { break }
            try take(steps[random.below(steps.count)], &world, rules, &outcome)
        }
        if let unfinished = world.unfinished() { throw unfinished }
    }

    /// Faults are rarer than work.
    private static func choose(_ steps: [Step], _ random: inout SeededRandom) -> Step? {
        if steps.isEmpty { return nil }
        for _ in 0..<8 {
            let step = steps[random.below(steps.count)]
            if !step.isFault || random.below(6) == 0 { return step }
        }
        return steps[random.below(steps.count)]
    }

    // MARK: Minimising

    /// Whether these steps, as far as they are possible one after the other, break the invariant.
    private func breaks(_ steps: [Step], _ invariant: String) -> Bool {
        let rules = Rules(options)
        var world = World(rules)
        do {
            for step in steps where world.steps(rules).contains(step) {
                try world.apply(step, rules)
            }
            world.isCalm = true
            var random = SeededRandom(seed: seed)
            var outcome = Outcome()
            if invariant.hasPrefix("L") {
                try Self.settle(&world, rules, &random, &outcome)
            }
            return false
        } catch let violation as Violation {
            return violation.invariant == invariant
        } catch {
            return false
        }
    }

    /// The shortest history found that breaks the same invariant, by leaving steps out.
    public func minimised(_ outcome: Outcome) -> [String] {
        guard let violation = outcome.violation else { return [] }
        var steps = outcome.taken
        if violation.invariant.hasPrefix("L") {
            steps = Array(steps.prefix(options.disturbedSteps))
        }
        var size = max(1, steps.count / 2)
        while size >= 1 {
            var index = 0
            while index < steps.count {
                var shorter = steps
                shorter.removeSubrange(index..<min(steps.count, index + size))
                if breaks(shorter, violation.invariant) {
                    steps = shorter
                } else {
                    index += size
                }
            }
            size /= 2
        }
        return steps.map(\.description) + ["\(violation)"]
    }
}

extension Step {
    /// Whether people or a fault do it; otherwise it is what goes on by itself.
    var isFault: Bool {
        switch self {
        case .cancel, .forget, .write, .straggle, .crashHub, .expire, .giveUp, .fail,
            .failForGood, .crash, .pause, .skew:
            true
        case .run(_, _, let isAnswerLost): isAnswerLost
        case .call(_, _, let fate), .handle(_, _, let fate): fate != .done
        case .tick(let slow): slow >= 0
        case .order, .orderChecked, .claim, .commit, .beat, .takeBack, .wake, .lapse, .expireCopy,
            .send,
            .receive, .stray, .work, .fence, .observe, .restart, .resume:
            false
        }
    }
}

extension World {
    /// Whether nothing is left to do.
    var isQuiet: Bool { unfinished() == nil && ordersAreGiven }

    private var ordersAreGiven: Bool { truth.checked.isEmpty }
}
