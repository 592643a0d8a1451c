/// A page of a list; `nextCursor` is nil on the last one.
public struct Page<Item: Sendable & Codable>: Sendable, Codable {
    /// The document's form, such as `project.list/1`.
    public var schema: String
    public var items: [Item]
    public var nextCursor: String?

    public init(schema: String, items: [Item], nextCursor: String?) {
        self.schema = schema
        self.items = items
        self.nextCursor = nextCursor
    }
}

/// What the server is (`GET /v1`).
public struct ServerDescription: Sendable, Codable {
    public var version: String
    public var timeline: TimelineID
    public var schemaNumber: Int
    public var features: [String]

    public init(version: String, timeline: TimelineID, schemaNumber: Int, features: [String]) {
        self.version = version
        self.timeline = timeline
        self.schemaNumber = schemaNumber
        self.features = features
    }
}

/// Exchanges a token for one that lasts: the first admin token works once.
public struct LoginRequest: Sendable, Codable {
    public var token: String
    /// Who logs in, for the audit: 1 to 63 characters.
    public var name: String

    public init(token: String, name: String) {
        self.token = token
        self.name = name
    }
}

/// A token that lasts.
public struct LoginAnswer: Sendable, Codable {
    public var token: String
    public var name: String

    public init(token: String, name: String) {
        self.token = token
        self.name = name
    }
}

/// The fleet in one screen.
public struct FleetStatus: Sendable, Codable {
    public var version: String
    public var asOf: Timestamp
    /// The first 1,000 hosts by name.
    public var hosts: [HostDescription]
    /// All hosts by state; nil from a hub before it counted them.
    public var hostCounts: HostCounts?
    /// Projects by what is known of them.
    public var projects: ProjectCounts
    /// The project that has waited longest for a backup, where any waits.
    public var worst: ProjectDescription?
    public var runningOperations: [OperationDescription]
    public var operations: OperationCounts
    public var pendingCopies: Int64
    /// Drains and batches that have not ended; nil from a hub before it told them.
    public var drains: [OperationDescription]?
    /// Things that an operator should know, such as one disk for everything.
    public var warnings: [String]

    public init(
        version: String, asOf: Timestamp, hosts: [HostDescription], projects: ProjectCounts,
        worst: ProjectDescription?, runningOperations: [OperationDescription],
        operations: OperationCounts, pendingCopies: Int64, warnings: [String],
        hostCounts: HostCounts? = nil, drains: [OperationDescription]? = nil
    ) {
        self.drains = drains
        self.version = version
        self.asOf = asOf
        self.hosts = hosts
        self.hostCounts = hostCounts
        self.projects = projects
        self.worst = worst
        self.runningOperations = runningOperations
        self.operations = operations
        self.pendingCopies = pendingCopies
        self.warnings = warnings
    }
}

/// Hosts by state.
public struct HostCounts: Sendable, Codable, Hashable {
    public var ready: Int64
    public var troubled: Int64
    public var silent: Int64
    public var expected: Int64
    /// Nil from a hub that counts them among the ready.
    public var arriving: Int64?

    public init(
        ready: Int64, troubled: Int64, silent: Int64, expected: Int64, arriving: Int64? = nil
    ) {
        self.arriving = arriving
        self.ready = ready
        self.troubled = troubled
        self.silent = silent
        self.expected = expected
    }
}

/// Projects by what is known of them.
public struct ProjectCounts: Sendable, Codable, Hashable {
    public var total: Int64
    public var provisioned: Int64
    public var provisionedUnknown: Int64
    public var running: Int64
    public var fresh: Int64
    public var dirty: Int64
    public var freshnessUnknown: Int64
    /// Provisioned projects that no backup holds at all.
    public var never: Int64

    public init(
        total: Int64, provisioned: Int64, provisionedUnknown: Int64, running: Int64, fresh: Int64,
        dirty: Int64, freshnessUnknown: Int64, never: Int64
    ) {
        self.total = total
        self.provisioned = provisioned
        self.provisionedUnknown = provisionedUnknown
        self.running = running
        self.fresh = fresh
        self.dirty = dirty
        self.freshnessUnknown = freshnessUnknown
        self.never = never
    }
}

/// Operations by state; failures of the last 24 hours.
public struct OperationCounts: Sendable, Codable, Hashable {
    public var queued: Int64
    public var running: Int64
    public var waiting: Int64
    public var failedInDay: Int64

    public init(queued: Int64, running: Int64, waiting: Int64, failedInDay: Int64) {
        self.queued = queued
        self.running = running
        self.waiting = waiting
        self.failedInDay = failedInDay
    }
}
