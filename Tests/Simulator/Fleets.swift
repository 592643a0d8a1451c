/// The fleets that are searched whole, and the one that random histories are made of.
public enum Fleets {
    /// Small fleets for the search; each aims at one part.
    public static var small: [Options] { [leases, outbox, move, crashedMove, copy, timed] }

    /// Leases and fences: an operation on a host, hubs and agents that crash, leases that run out.
    public static var leases: Options {
        var options = Options()
        options.name = "leases"
        options.isDirect = true
        options.orders = [.stop(project: 0), .backup(project: 0)]
        options.writes = 1
        options.crashes = 1
        options.hubCrashes = 1
        options.expiries = 1
        options.losses = 1
        options.lateRequests = 1
        options.cancels = 1
        return options
    }

    /// Reports that are lost, repeated, late and not committed.
    public static var outbox: Options {
        var options = Options()
        options.name = "outbox"
        options.hubs = 1
        options.orders = [.stop(project: 0), .start(project: 0)]
        options.writes = 1
        options.crashes = 1
        options.losses = 2
        options.lateRequests = 2
        options.lostCommits = 1
        return options
    }

    /// A move with everything but crashes.
    public static var move: Options {
        var options = Options()
        options.name = "move"
        options.isDirect = true
        options.orders = [.move(project: 0, target: 1, acceptsLoss: false), .start(project: 0)]
        options.writes = 2
        options.stragglers = 1
        options.lostCommits = 1
        options.cancels = 1
        options.failures = 1
        return options
    }

    /// A move whose agents and hubs crash.
    public static var crashedMove: Options {
        var options = Options()
        options.name = "crashed move"
        options.isDirect = true
        options.hubs = 1
        options.orders = [.move(project: 0, target: 1, acceptsLoss: true)]
        options.writes = 1
        options.crashes = 1
        options.hubCrashes = 1
        options.expiries = 1
        return options
    }

    /// Two copies to the same place.
    public static var copy: Options {
        var options = Options()
        options.name = "copy"
        options.isDirect = true
        options.hubs = 1
        options.projects = [0, 1]
        options.orders = [.copy(from: 0, to: 1), .copy(from: 0, to: 1)]
        options.writes = 1
        options.crashes = 1
        options.expiries = 1
        options.forgets = 1
        return options
    }

    /// A lease with its time: heartbeats, fences and answers that are late.
    public static var timed: Options {
        var options = Options()
        options.name = "timed"
        options.hosts = 1
        options.hubs = 1
        options.lease = 3
        options.orders = [.stop(project: 0)]
        options.writes = 0
        options.losses = 1
        options.lateRequests = 1
        options.pauses = 1
        return options
    }

    /// A bigger fleet with all faults, for random histories; what is ordered follows from the seed.
    public static func random(seed: UInt64, bugs: Set<PlantedBug> = []) -> Options {
        var random = SeededRandom(seed: seed ^ 0xBE27)
        var options = Options()
        options.name = "random"
        options.bugs = bugs
        options.hosts = 3
        options.projects = [0, 1]
        options.lease = random.below(2) == 0 ? 0 : 6
        options.isDirect = random.below(3) == 0
        if random.below(3) == 0 { options.unknownProjects = [random.below(2)] }
        for _ in 0..<(4 + random.below(5)) {
            let project = random.below(2)
            switch random.below(8) {
            case 0: options.orders.append(.start(project: project))
            case 1: options.orders.append(.stop(project: project))
            case 2: options.orders.append(.backup(project: project))
            case 3, 4, 5:
                options.orders.append(
                    .move(
                        project: project, target: random.below(3),
                        acceptsLoss: random.below(2) == 0))
            default: options.orders.append(.copy(from: project, to: 1 - project))
            }
        }
        options.writes = 8
        options.crashes = 3
        options.hubCrashes = 3
        options.losses = 10
        options.lateRequests = 6
        options.lostCommits = 5
        options.expiries = options.lease == 0 ? 4 : 0
        options.cancels = 2
        options.forgets = 3
        options.stragglers = 2
        options.failures = 3
        options.ruins = 1
        options.skews = 2
        options.pauses = 3
        return options
    }
}
