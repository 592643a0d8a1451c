import Shared

/// A hub's process: what it works on now.
struct HubProcess: Hashable, Sendable {
    struct Holding: Hashable, Sendable {
        var operation: Int
        var epoch: Int
    }

    /// A backup's commit under way.
    struct Commit: Hashable, Sendable {
        enum Stage: Int, Hashable, Sendable {
            case check, index, checkAgain, snapshot, record
        }

        var host: Int
        var operation: Int
        var epoch: Int
        var content: Content
        var stage = Stage.check
    }

    var session = -1
    var holding: [Holding] = []
    var commits: [Commit] = []
    /// How far its clock is ahead, in ticks.
    var skew = 0
}

/// A bucket's content: packs and indexes by what they hold, snapshot files by backup.
struct Bucket: Hashable, Sendable {
    struct Object: Hashable, Sendable {
        var project: Int
        var content: Content
    }

    struct SnapshotFile: Hashable, Sendable {
        var backup: Int
        var object: Object
    }

    var packs: [Object] = []
    var indexed: [Object] = []
    var snapshots: [SnapshotFile] = []
}

/// What really happened, which nobody in the system knows.
struct Truth: Hashable, Sendable {
    /// The number of each project's last write, and the last where it was placed.
    var lastWrite: [Int]
    var lastPlacedWrite: [Int]
    /// Whether a host was given up with its changes.
    var isLossAccepted: [Bool]
    /// Operations whose cancel was accepted before their point of no return.
    var canceled: [Int] = []
    /// Orders that a guard was looked up for, and that are inserted afterwards.
    var checked: [Int] = []
    /// The last write to each project on each host where it was not placed; 0 for none.
    var strayWrites: [Int]
    /// Copies that nobody worked on when a later one to the same place was made.
    var superseded: [Int] = []
    /// How many reports of each host were applied, each once.
    var applied: [Int]
}

/// A request that its sender has given up, and that arrives all the same.
struct Stray: Hashable, Sendable {
    var host: Int
    var request: Request
}

/// The whole fleet at one moment.
struct World: Hashable, Sendable {
    var database: Database
    var bucket = Bucket()
    var hubs: [HubProcess]
    var agents: [Agent]
    var strays: [Stray] = []
    var truth: Truth
    var budget: Budget
    /// How many of the orders have been given.
    var ordered = 0
    var subvolumes = 0
    /// No faults and no people any more: everything has to come to its end.
    var isCalm = false
    /// Whether it is one of a search's states.
    var isSearched = false

    init(_ rules: Rules) {
        let options = rules.options
        let count = options.projects.count
        database = Database(
            guards: Array(repeating: nil, count: count),
            placements: options.projects.map {
                Placement(host: $0, isProvisioned: true, isWantedRunning: options.isRunning)
            }, known: Array(repeating: nil, count: count),
            isQuarantined: Array(repeating: false, count: count * options.hosts),
            applied: Array(repeating: 0, count: options.hosts))
        hubs = Array(repeating: HubProcess(), count: options.hubs)
        agents = Array(repeating: Agent(projects: count), count: options.hosts)
        truth = Truth(
            lastWrite: Array(repeating: 0, count: count),
            lastPlacedWrite: Array(repeating: 0, count: count),
            isLossAccepted: Array(repeating: false, count: count),
            strayWrites: Array(repeating: 0, count: count * options.hosts),
            applied: Array(repeating: 0, count: options.hosts))
        budget = Budget(options)
        for (project, host) in options.projects.enumerated() {
            let volume = Volume(subvolume: newSubvolume(), content: Content())
            agents[host].volumes[project] = volume
            agents[host].runs[project] = options.isRunning
            agents[host].records[project] = Record(
                generation: 1, isPresent: true, subvolume: volume.subvolume)
            if options.unknownProjects.contains(project) {
                database.placements[project].isProvisioned = nil
            }
        }
        for hub in hubs.indices { openHub(hub, rules) }
        for host in agents.indices {
            begin(host, rules)
            // The fleet is at work already: the first session is open, and the volumes are known.
            guard options.isDirect else { continue }
            call(host, .open(session: agents[host].session), rules)
            call(host, .reports(agents[host].outbox), rules)
        }
    }

    mutating func newSubvolume() -> Int {
        subvolumes += 1
        return subvolumes
    }

    /// Sends a request, has it handled and takes the answer, in one step.
    mutating func call(_ host: Int, _ request: Request, _ rules: Rules) {
        // Nothing can be wrong yet.
        try? handleAndReceive(host, request, rules)
    }

    func quarantineIndex(_ host: Int, _ project: Int) -> Int {
        host * database.placements.count + project
    }
}

/// What a run goes by and does not change.
final class Rules {
    let options: Options
    let catalogue = Catalogue()

    init(_ options: Options) {
        self.options = options
    }

    func has(_ bug: PlantedBug) -> Bool { options.bugs.contains(bug) }

    /// How long a session's lease is, in ticks.
    var lease: Int { max(1, options.lease) }
}
