import Shared

/// What an agent says to the hub.
enum Request: Hashable, Sendable {
    case open(session: Int)
    case lease(session: Int, number: Int)
    case heartbeat(session: Int, held: [Held], interrupted: [Int])
    case reports([Entry])
    case commit(operation: Int, epoch: Int, content: Content)

    struct Held: Hashable, Sendable {
        var operation: Int
        var epoch: Int
    }

    /// Requests of one slot are sent one after another.
    var slot: Slot {
        switch self {
        case .open: .open
        case .lease: .lease
        case .heartbeat: .heartbeat
        case .reports: .reports
        case .commit(let operation, _, _): .commit(operation)
        }
    }

    enum Slot: Hashable, Sendable {
        case open, lease, heartbeat, reports
        case commit(Int)
    }
}

/// What the hub answers.
enum Answer: Hashable, Sendable {
    case opened(applied: Int)
    case leased([Leased])
    case beaten(canceled: [Int], lost: [Int], ended: [Int])
    case applied(Int)
    case committed(Backup, number: Int)
    case sessionEnded
    case leaseLost
    case generationLost
    case refused
}

/// A request under way.
struct Call: Hashable, Sendable {
    var request: Request
    /// Nil until the hub has handled it.
    var answer: Answer?
    /// Ticks of the agent's clock since it was sent.
    var since = 0
}

/// An operation as the ledger knows it.
struct LedgerOperation: Hashable, Sendable {
    var number: Int
    var epoch: Int
    var project: Int
    /// -1 while there is none.
    var outcome = -1
    var isSettled = false
    /// Of the volume that it is to work on.
    var generation = 0
    var journal = Journal.none

    /// What an interrupted operation goes on from (`OperationJournal`).
    enum Journal: Hashable, Sendable {
        case none
        case snapshot(subvolume: Int)
        case committed(Snapshot, Backup, number: Int)
        case publishing(subvolume: Int, base: Snapshot, backup: Int, replaces: Bool)
        case applying
    }
}

/// A volume as the ledger knows it (`VolumeRecord`).
struct Record: Hashable, Sendable {
    struct Base: Hashable, Sendable {
        var backup: Int
        var subvolume: Int
        var covered: Int
        var content: Content
    }

    var generation: Int
    var isPresent = false
    var isFrozen = false
    var subvolume = -1
    var base: Base?
    var reported: Observation?
}

/// Something in staging.
struct Staged: Hashable, Sendable {
    var operation: Int
    var project: Int
    var volume: Volume
}

/// A snapshot in the making.
struct StagedBase: Hashable, Sendable {
    var operation: Int
    var project: Int
    var snapshot: Snapshot
}

/// A volume in the trash.
struct Trashed: Hashable, Sendable {
    var project: Int
    var content: Content
}

/// An operation that runs on a host.
struct Running: Hashable, Sendable {
    enum Stop: Int, Hashable, Sendable {
        case no, canceled, leaseLost, leaseExpired
    }

    var operation: Int
    var epoch: Int
    var guardEpoch: Int
    var project: Int
    /// Ticks of the agent's clock since the request was sent that renewed its lease last.
    var since: Int
    var stop = Stop.no
    /// How far it is.
    var stage = Stage.accept
    /// What is reported at the end; -1 before it is known.
    var outcome = -1

    /// The steps of all programs; each is one change of something durable, or one request.
    enum Stage: Int, Hashable, Sendable {
        case accept, enter
        case freeze, noteFrozen, snapshot, noteSnapshot, upload, commit
        case noteCommitted, replaceBase, noteBase, judge
        case build, stopReplaced, notePublishing, publish, keepReplaced, publishBase, noteAppeared
        case stopRuntime, trash, dropBase, noteGone, reportGone
        case thaw, noteThawed, startRuntime, create, noteCreated
        case noteApplying, apply
        case observe, finish
    }
}

/// A host with its agent, its ledger and its disk.
struct Agent: Hashable, Sendable {
    // The ledger.
    var outbox: [Entry] = []
    var lastSequence = 0
    var operations: [LedgerOperation] = []
    /// The highest guard of each project that was seen.
    var guards: [Int]
    var records: [Record?]

    // The disk, and what runs beside the agent.
    var volumes: [Volume?]
    var bases: [Snapshot?]
    var staged: [Staged] = []
    var stagedBases: [StagedBase] = []
    var trash: [Trashed] = []
    var runs: [Bool]
    /// How far its wall clock is off.
    var wallSkew = 0

    // What a crash takes away.
    var isUp = true
    var isPaused = false
    var session = -1
    var isOpen = false
    var running: [Running] = []
    /// The number of its next lease request.
    var requestNumber = 0
    var calls: [Call] = []

    init(projects: Int) {
        guards = Array(repeating: 0, count: projects)
        records = Array(repeating: nil, count: projects)
        volumes = Array(repeating: nil, count: projects)
        bases = Array(repeating: nil, count: projects)
        runs = Array(repeating: false, count: projects)
    }

    mutating func append(_ body: ReportBody) {
        lastSequence += 1
        outbox.append(Entry(sequence: lastSequence, body: body))
    }

    func operation(_ number: Int) -> Int? { operations.firstIndex { $0.number == number } }

    func isBusy(_ slot: Request.Slot) -> Bool { calls.contains { $0.request.slot == slot } }

    /// Whether the operation's program may begin, because no other works on the volume.
    func isGateFree(_ running: Running) -> Bool {
        !self.running.contains {
            $0.operation != running.operation && $0.project == running.project
                && $0.stage.rawValue > Running.Stage.enter.rawValue
                && $0.stage.rawValue < Running.Stage.observe.rawValue
                && $0.stage != .stopRuntime && $0.stage != .startRuntime
        }
    }
}
