/// Which projects something is done with: those that meet all that is said; all where nothing is.
public struct ProjectFilter: Sendable, Codable, Hashable {
    /// By name or id.
    public var host: String?
    public var owner: String?
    /// What names begin with, and what they hold: 1 to 63 of `a-z`, `0-9` and `-`.
    public var prefix: String?
    public var search: String?
    /// `true`, `false` or `unknown`.
    public var provisioned: String?
    public var isRunning: Bool?
    public var freshness: Freshness?
    /// Only provisioned projects that no backup holds.
    public var isWithoutBackup: Bool?

    public init() {}

    /// Reads the words of a command line: `host=h1 owner=anna prefix=web- search=x provisioned=true
    /// running freshness=dirty backup=never`.
    ///
    /// - Returns: nil for anything else.
    public init?(words: [String]) {
        for word in words {
            let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
            switch (parts.first, parts.count > 1 ? parts[1] : nil) {
            case ("host", let value?): host = value
            case ("owner", let value?): owner = value
            case ("prefix", let value?): prefix = value
            case ("search", let value?): search = value
            case ("provisioned", let value?): provisioned = value
            case ("running", nil), ("running", "true"): isRunning = true
            case ("freshness", let value?):
                guard let known = Freshness(rawValue: value) else { return nil }
                freshness = known
            case ("backup", "never"): isWithoutBackup = true
            default: return nil
            }
        }
    }

    /// The words that it is read from.
    public var words: [String] {
        var words: [String] = []
        for (name, value) in [
            ("host", host), ("owner", owner), ("prefix", prefix), ("search", search),
            ("provisioned", provisioned), ("freshness", freshness?.rawValue),
        ] {
            if let value { words.append("\(name)=\(value)") }
        }
        if isRunning == true { words.append("running") }
        if isWithoutBackup == true { words.append("backup=never") }
        return words
    }
}

/// What is done with each project, and how.
public struct BatchWorkRequest: Sendable, Codable, Hashable {
    public var verb: BatchVerb
    /// Of `check`; default `none`.
    public var reading: CheckRequest.Reading?
    /// Of `forget`, which needs it.
    public var policy: RetentionPolicy?
    /// How many projects are at work at once, 1 to 64; default 4.
    public var maxParallel: Int?
    /// How often each is tried, 1 to 100; default 3.
    public var tries: Int?

    public init(
        verb: BatchVerb, reading: CheckRequest.Reading? = nil, policy: RetentionPolicy? = nil,
        maxParallel: Int? = nil, tries: Int? = nil
    ) {
        self.verb = verb
        self.reading = reading
        self.policy = policy
        self.maxParallel = maxParallel
        self.tries = tries
    }
}

/// Does the same with all projects that a filter finds.
public struct BatchRequest: Sendable, Codable, Hashable {
    public var work: BatchWorkRequest
    public var filter: ProjectFilter
    /// At most so many projects, 1 to 100,000; default 100,000.
    public var limit: Int?

    public init(work: BatchWorkRequest, filter: ProjectFilter, limit: Int? = nil) {
        self.work = work
        self.filter = filter
        self.limit = limit
    }
}

/// A batch or drain with how its projects stand.
public struct BatchDescription: Sendable, Codable, Hashable {
    public var operation: OperationDescription
    public var counts: ItemCounts

    public init(operation: OperationDescription, counts: ItemCounts) {
        self.operation = operation
        self.counts = counts
    }
}
