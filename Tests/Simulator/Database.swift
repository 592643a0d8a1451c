import Shared

/// An operation with the table that it is in.
struct Operation: Hashable, Sendable {
    /// Where it is: exactly one of the live tables, or its end.
    enum Place: Hashable, Sendable {
        case ready
        case delayed
        /// Parked until a child ends, or until its time comes.
        case waiting(isTimed: Bool, isGuarded: Bool)
        case running(Lease)
        case ended(outcome: Int)
    }

    /// Who works on it, under which number.
    struct Lease: Hashable, Sendable {
        var epoch: Int
        var session: Int
        var attempt: Int
        /// How many heartbeats of its session did not list it.
        var missed = 0
    }

    /// The place of its kind in `OperationKind.allCases`.
    var kindNumber: Int
    /// A host, or -1 for the hubs.
    var lane: Int
    var project: Int
    var parent = -1
    var root: Int
    var key = -1
    var copy = -1
    /// A host's work, or -1.
    var work = -1
    var place = Place.ready
    /// Whether somebody asked it to stop.
    var isCanceled = false
    /// How often it was tried, parkings not counted.
    var attempts = 0
    /// A workflow's state once it has begun, or -1.
    var workflow = -1
    /// What it was ordered as; -1 for a child.
    var order = -1
    /// Whether it lets others of its kind have the project.
    var isKeyFree = false

    var kind: OperationKind { OperationKind.allCases[kindNumber] }
    var isLive: Bool { if case .ended = place { false } else { true } }

    static func number(of kind: OperationKind) -> Int {
        OperationKind.allCases.firstIndex(of: kind) ?? -1
    }
}

/// A session of a host or a hub.
struct Session: Hashable, Sendable {
    /// A host, or -1 minus the number of a hub.
    var node: Int
    /// How many ticks its lease lasts by the database's clock.
    var leaseLeft: Int
    var hasEnded = false
    /// Whether the hub has heard of it.
    var isKnown = false
    /// The last lease request that got work, and the work.
    var request = -1
    var answer: [Leased] = []

    var isOpen: Bool { !hasEnded && leaseLeft > 0 }
}

/// An operation as a lease's answer names it.
struct Leased: Hashable, Sendable {
    var operation: Int
    var epoch: Int
    var guardEpoch: Int
    var attempt: Int
}

/// Who keeps others from a project.
struct Guard: Hashable, Sendable {
    var operation: Int
    var epoch: Int
}

/// Where a project belongs.
struct Placement: Hashable, Sendable {
    var host: Int
    var generation = 1
    /// Nil for unknown.
    var isProvisioned: Bool?
    var isWantedRunning: Bool
}

/// What is known of a volume, and of which host's.
struct Known: Hashable, Sendable {
    var host: Int
    var observation: Observation
}

/// PostgreSQL: each of its transactions is one step.
struct Database: Hashable, Sendable {
    /// The last number of the sequence that epochs are drawn from.
    var epoch = 0
    var operations: [Operation] = []
    var sessions: [Session] = []
    var guards: [Guard?]
    var placements: [Placement]
    var known: [Known?]
    /// For each host and project.
    var isQuarantined: [Bool]
    /// By number; nil for one that is not recorded.
    var backups: [Backup?] = []
    var copies: [Copy] = []
    var pins: [Pin] = []
    /// The last applied report of each host.
    var applied: [Int]

    func holder(of operation: Int, epoch: Int) -> Operation.Lease? {
        guard case .running(let lease) = operations[operation].place, lease.epoch == epoch else {
            return nil
        }
        return lease
    }

    /// Whether a lease is held by a session of this node (D7).
    func isFenced(_ operation: Int, epoch: Int, host: Int?) -> Bool {
        guard let lease = holder(of: operation, epoch: epoch) else { return false }
        let node = sessions[lease.session].node
        return host.map { node == $0 } ?? (node < 0)
    }

    /// The newest backup of a project that is not forgotten.
    func newest(of project: Int) -> Int? {
        backups.indices.last { number in
            guard let backup = backups[number] else { return false }
            return backup.project == project && !backup.isForgotten
        }
    }

    func isPinned(_ backup: Int) -> Bool { pins.contains { $0.backup == backup } }

    mutating func pin(_ backup: Int, _ holder: Pin.Holder) {
        let pin = Pin(backup: backup, holder: holder)
        if !pins.contains(pin) { pins.append(pin) }
    }

    mutating func unpin(_ holder: Pin.Holder) { pins.removeAll { $0.holder == holder } }

    func children(of operation: Int) -> [Int] {
        operations.indices.filter { operations[$0].parent == operation }
    }

    /// The operation that applies a copy now.
    func applying(_ copy: Int) -> Int? {
        operations.indices.first { operations[$0].copy == copy && operations[$0].isLive }
    }

    func isOnline(_ host: Int) -> Bool { sessions.contains { $0.node == host && $0.isOpen } }
}
