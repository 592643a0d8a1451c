/// Asks for a one-time join token.
public struct CreateEnrolmentRequest: Sendable, Codable {
    /// The host's name: 1 to 63 of `a-z`, `0-9` and `-`.
    public var name: String
    /// Default `default`.
    public var region: String?

    public init(name: String, region: String?) {
        self.name = name
        self.region = region
    }
}

/// A one-time join token.
public struct CreateEnrolmentAnswer: Sendable, Codable {
    public var host: HostID
    public var name: String
    /// The written form of `JoinToken`.
    public var joinToken: String
    public var expiresAt: Timestamp

    public init(host: HostID, name: String, joinToken: String, expiresAt: Timestamp) {
        self.host = host
        self.name = name
        self.joinToken = joinToken
        self.expiresAt = expiresAt
    }
}

/// Whether a host can be given work.
public enum HostState: String, Sendable, Codable {
    /// A join token was made; no agent has used it.
    case expected
    /// Its agent has a session and has not said since how it is: nothing is placed on it yet
    /// unless somebody names it.
    case arriving
    /// Its agent was heard of within the lease.
    case ready
    /// Its agent reports that it cannot work.
    case troubled
    /// Its agent has not been heard of.
    case silent
}

/// A machine of the fleet.
public struct HostDescription: Sendable, Codable, Hashable {
    public var id: HostID
    public var name: String
    public var region: String
    public var state: HostState
    public var seenAt: Timestamp?
    /// Projects placed here, with a volume here, and running here.
    public var projects: Int64
    public var provisioned: Int64
    public var running: Int64
    public var status: HostStatus?
    /// Whether projects may be placed here; nil from a hub that does not say.
    public var isSchedulable: Bool?
    /// The drain that empties it now.
    public var drain: OperationID?

    public init(
        id: HostID, name: String, region: String, state: HostState, seenAt: Timestamp?,
        projects: Int64, provisioned: Int64, running: Int64, status: HostStatus?,
        isSchedulable: Bool? = nil, drain: OperationID? = nil
    ) {
        self.isSchedulable = isSchedulable
        self.drain = drain
        self.id = id
        self.name = name
        self.region = region
        self.state = state
        self.seenAt = seenAt
        self.projects = projects
        self.provisioned = provisioned
        self.running = running
        self.status = status
    }
}
