/// A configuration of the simulated fleet: how big it is, what is ordered, and how many faults may
/// happen.
public struct Options: Sendable {
    /// Something that people do.
    public enum Order: Hashable, Sendable {
        case start(project: Int)
        case stop(project: Int)
        case backup(project: Int)
        /// - Parameter acceptsLoss: whether a host that cannot be reached is given up.
        case move(project: Int, target: Int, acceptsLoss: Bool)
        case copy(from: Int, to: Int)
    }

    public var name = "fleet"
    public var hosts = 2
    public var hubs = 2
    /// The host of each project at the beginning.
    public var projects: [Int] = [0]
    /// Projects whose volume nobody has looked at.
    public var unknownProjects: [Int] = []
    /// Whether the projects' processes run at the beginning.
    public var isRunning = true
    /// What is ordered, each at any moment, in this order.
    public var orders: [Order] = []
    /// Whether requests are sent, handled and answered in one step, unless a fault hits them.
    public var isDirect = false
    /// How long a lease lasts, in ticks; 0 leaves time out, and leases run out at any moment.
    public var lease = 0
    /// How many of each may happen.
    public var writes = 1
    public var crashes = 0
    public var hubCrashes = 0
    public var losses = 0
    public var lateRequests = 0
    public var lostCommits = 0
    public var expiries = 0
    public var cancels = 0
    public var forgets = 0
    public var stragglers = 0
    public var failures = 0
    /// Failures of a copy's application that nothing mends.
    public var ruins = 0
    /// Hubs' clocks that jump, and ticks that an agent's clock misses.
    public var skews = 0
    public var pauses = 0
    /// How many steps people and faults have before everything has to come to its end.
    public var disturbedSteps = 400
    public var bugs: Set<PlantedBug> = []

    public init() {}
}

/// What is left of the faults that may happen.
struct Budget: Hashable, Sendable {
    var writes: Int
    var crashes: Int
    var hubCrashes: Int
    var losses: Int
    var lateRequests: Int
    var lostCommits: Int
    var expiries: Int
    var cancels: Int
    var forgets: Int
    var stragglers: Int
    var failures: Int
    var ruins: Int
    var skews: Int
    var pauses: Int

    init(_ options: Options) {
        writes = options.writes
        crashes = options.crashes
        hubCrashes = options.hubCrashes
        losses = options.losses
        lateRequests = options.lateRequests
        lostCommits = options.lostCommits
        expiries = options.expiries
        cancels = options.cancels
        forgets = options.forgets
        stragglers = options.stragglers
        failures = options.failures
        ruins = options.ruins
        skews = options.skews
        pauses = options.pauses
    }
}
