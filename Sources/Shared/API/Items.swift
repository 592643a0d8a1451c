/// Where one project of a drain or batch stands.
public enum ItemState: String, Sendable, Codable, CaseIterable {
    /// Its turn has not come.
    case pending
    /// Cannot be done now, for a reason; it is tried again.
    case blocked
    /// Its operation works on it.
    case running
    case done
    /// Done, but for cleaning up on a host that cannot be reached.
    case deferred
    /// Given up.
    case failed
    /// There was nothing to be done.
    case skipped
}

/// One project of a drain or batch.
public struct ItemDescription: Sendable, Codable, Hashable {
    public var project: ProjectID
    public var name: String
    public var state: ItemState
    /// How often its operation was begun.
    public var tries: Int
    /// The last operation for it.
    public var operation: OperationID?
    /// Where a drain moves it.
    public var target: HostID?
    public var targetName: String?
    /// Why it is blocked, failed or skipped, or what its operation waits for: a word and a sentence.
    public var reason: String?
    public var sentence: String?
    public var nextTryAt: Timestamp?

    public init(
        project: ProjectID, name: String, state: ItemState, tries: Int, operation: OperationID?,
        target: HostID?, targetName: String?, reason: String?, sentence: String?,
        nextTryAt: Timestamp?
    ) {
        self.project = project
        self.name = name
        self.state = state
        self.tries = tries
        self.operation = operation
        self.target = target
        self.targetName = targetName
        self.reason = reason
        self.sentence = sentence
        self.nextTryAt = nextTryAt
    }
}

/// How many projects of a drain or batch stand where.
public struct ItemCounts: Sendable, Codable, Hashable {
    public var pending: Int64
    public var blocked: Int64
    public var running: Int64
    public var done: Int64
    public var deferred: Int64
    public var failed: Int64
    public var skipped: Int64

    public init(
        pending: Int64 = 0, blocked: Int64 = 0, running: Int64 = 0, done: Int64 = 0,
        deferred: Int64 = 0, failed: Int64 = 0, skipped: Int64 = 0
    ) {
        self.pending = pending
        self.blocked = blocked
        self.running = running
        self.done = done
        self.deferred = deferred
        self.failed = failed
        self.skipped = skipped
    }

    /// Those that nothing more is done with.
    public var ended: Int64 { done + deferred + failed + skipped }
    /// All of them.
    public var total: Int64 { pending + blocked + running + ended }
}

/// How a drain or batch ended.
public struct GroupResult: Sendable, Codable, Hashable {
    public var counts: ItemCounts
    /// Volumes that a drained host has left, by project or name; at most 100.
    public var left: [String]

    public init(counts: ItemCounts, left: [String] = []) {
        self.counts = counts
        self.left = left
    }
}

/// What a batch does with each of its projects.
public enum BatchVerb: String, Sendable, Codable, CaseIterable {
    case backup
    case audit
    case check
    case forget
    case prune
    case start
    case stop
}
