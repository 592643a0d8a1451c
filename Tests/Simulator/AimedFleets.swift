/// Fleets in which a planted bug can show: the random one, with what it needs ordered and upset more
/// often.
extension Fleets {
    /// The fleet in which a bug is looked for.
    ///
    /// - Parameters:
    ///   - bug: what is looked for.
    ///   - isPlanted: whether it is there; without it the same histories have to be fine.
    public static func aimed(at bug: PlantedBug, seed: UInt64, isPlanted: Bool) -> Options {
        var options = random(seed: seed, bugs: isPlanted ? [bug] : [])
        options.name = "aimed"
        switch bug {
        case .selectThenInsert, .cancelHeardLate, .noDrain:
            // The same move again and again, and little else.
            quiet(&options)
            options.orders = Array(
                repeating: .move(project: 0, target: 1, acceptsLoss: false), count: 4)
            options.cancels = 4
            options.failures = bug == .noDrain ? 4 : 0
        case .noTrash:
            // A host is given up, and writes on.
            quiet(&options)
            options.orders = [
                .backup(project: 0), .move(project: 0, target: 1, acceptsLoss: true),
                .move(project: 0, target: 0, acceptsLoss: true),
                .move(project: 0, target: 1, acceptsLoss: true),
            ]
            options.crashes = 6
            options.writes = 12
        case .copyUnpinned, .supersededApplied:
            options.orders = [
                .copy(from: 0, to: 1), .move(project: 1, target: 2, acceptsLoss: false),
                .copy(from: 0, to: 1), .backup(project: 0), .copy(from: 0, to: 1),
                .backup(project: 0),
            ]
            options.ruins = 3
            options.forgets = 6
        case .sessionKept:
            options.isDirect = false
            options.crashes = 6
            options.losses = 20
            options.lateRequests = 20
        default: break
        }
        return options
    }

    /// One project on two hosts, one hub, and no faults but what is asked for.
    private static func quiet(_ options: inout Options) {
        options.hosts = 2
        options.hubs = 1
        options.projects = [0]
        options.unknownProjects = []
        options.isDirect = true
        options.lease = 0
        options.disturbedSteps = 1200
        options.crashes = 0
        options.hubCrashes = 0
        options.losses = 0
        options.lateRequests = 0
        options.lostCommits = 0
        options.expiries = 0
        options.skews = 0
        options.pauses = 0
    }
}
