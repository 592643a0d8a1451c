/// Moves every project away from a host.
public struct DrainRequest: Sendable, Codable, Hashable {
    /// Where they go, by name or id; the ready hosts of the same region where empty.
    public var targets: [String]
    /// How many projects are moved at once, 1 to 64; default 4.
    public var maxParallel: Int?
    /// How often each project is tried before it is given up, 1 to 100; default 5.
    public var tries: Int?
    /// From a host that cannot be reached: moves what was backed up wholly when it was last heard
    /// of.
    public var fromBackup: Bool
    /// From a host that cannot be reached: moves everything that has a backup, and loses what is
    /// newer; must be the host's name.
    public var acceptLoss: String?
    /// After so long no further move is begun, 1 to 2,592,000; no limit where nil.
    public var deadlineSeconds: Int64?
    /// Whether volumes that no placement explains may stay behind; default false: it waits until
    /// somebody has seen to them.
    public var leavesUnknown: Bool
    /// Answers with a `DrainPlan` and does nothing.
    public var isDryRun: Bool

    public init(
        targets: [String] = [], maxParallel: Int? = nil, tries: Int? = nil,
        fromBackup: Bool = false, acceptLoss: String? = nil, deadlineSeconds: Int64? = nil,
        leavesUnknown: Bool = false, isDryRun: Bool = false
    ) {
        self.targets = targets
        self.maxParallel = maxParallel
        self.tries = tries
        self.fromBackup = fromBackup
        self.acceptLoss = acceptLoss
        self.deadlineSeconds = deadlineSeconds
        self.leavesUnknown = leavesUnknown
        self.isDryRun = isDryRun
    }
}

/// What a drain would do now.
public struct DrainPlan: Sendable, Codable, Hashable {
    public var host: HostID
    public var hostName: String
    public var state: HostState
    public var seenAt: Timestamp?
    /// Projects placed there; of them those with a volume, or perhaps with one, those that run, and
    /// those that are known to be backed up wholly.
    public var projects: Int64
    public var provisioned: Int64
    public var running: Int64
    public var fresh: Int64
    /// Projects with changes that no backup is known to hold, and projects without any backup.
    public var exposed: Int64
    public var never: Int64
    /// What their last backups hold.
    public var bytes: Int64
    /// The names of up to 20 projects that are exposed or have no backup, the worst first.
    public var atRisk: [String]
    /// Where they go, the hosts with the most room first, at most 50.
    public var targets: [Target]
    /// Why it would be refused now; nil when it would not.
    public var refusal: String?

    /// A host that takes projects.
    public struct Target: Sendable, Codable, Hashable {
        public var host: HostID
        public var name: String
        public var freeBytes: Int64

        public init(host: HostID, name: String, freeBytes: Int64) {
            self.host = host
            self.name = name
            self.freeBytes = freeBytes
        }
    }

    public init(
        host: HostID, hostName: String, state: HostState, seenAt: Timestamp?, projects: Int64,
        provisioned: Int64, running: Int64, fresh: Int64, exposed: Int64, never: Int64,
        bytes: Int64, atRisk: [String], targets: [Target], refusal: String? = nil
    ) {
        self.host = host
        self.hostName = hostName
        self.state = state
        self.seenAt = seenAt
        self.projects = projects
        self.provisioned = provisioned
        self.running = running
        self.fresh = fresh
        self.exposed = exposed
        self.never = never
        self.bytes = bytes
        self.atRisk = atRisk
        self.targets = targets
        self.refusal = refusal
    }
}

/// Which volumes a host has.
public struct HostContents: Sendable, Codable, Hashable {
    public var volumes: [ProjectID]
    /// Names where volumes are that are no project's identity.
    public var others: [String]

    public init(volumes: [ProjectID], others: [String]) {
        self.volumes = volumes
        self.others = others
    }
}
