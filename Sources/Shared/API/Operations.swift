/// An operation as the API shows it.
///
/// The server answers 202 with it and a `Location`.
public struct OperationDescription: Sendable, Codable, Hashable {
    public var id: OperationID
    public var kind: OperationKind
    public var state: OperationState
    /// The project, host or copy that it is about.
    public var scope: String
    public var scopeName: String?
    public var project: ProjectID?
    public var host: HostID?
    public var parent: OperationID?
    public var phase: String?
    public var attempt: Int
    public var maxAttempts: Int
    public var epoch: Int64?
    public var waiting: Waiting?
    public var progress: Progress?
    public var result: JSONValue?
    public var failure: Failure?
    /// Set when a cancel was asked for.
    public var cancelRequestedAt: Timestamp?
    /// Whether a canceled operation's worker confirmed that it stopped (D14).
    public var isCancelConfirmed: Bool?
    public var createdBy: String
    public var createdAt: Timestamp
    public var startedAt: Timestamp?
    public var finishedAt: Timestamp?
    /// Who held it and how each lease ended; only when one operation is asked for.
    public var attempts: [OperationAttempt]?
    public var children: [OperationID]?

    public init(
        id: OperationID, kind: OperationKind, state: OperationState, scope: String,
        scopeName: String?, project: ProjectID?, host: HostID?, parent: OperationID?,
        phase: String?, attempt: Int, maxAttempts: Int, epoch: Int64?, waiting: Waiting?,
        progress: Progress?, result: JSONValue?, failure: Failure?, cancelRequestedAt: Timestamp?,
        isCancelConfirmed: Bool?, createdBy: String, createdAt: Timestamp, startedAt: Timestamp?,
        finishedAt: Timestamp?, attempts: [OperationAttempt]? = nil,
        children: [OperationID]? = nil
    ) {
        self.id = id
        self.kind = kind
        self.state = state
        self.scope = scope
        self.scopeName = scopeName
        self.project = project
        self.host = host
        self.parent = parent
        self.phase = phase
        self.attempt = attempt
        self.maxAttempts = maxAttempts
        self.epoch = epoch
        self.waiting = waiting
        self.progress = progress
        self.result = result
        self.failure = failure
        self.cancelRequestedAt = cancelRequestedAt
        self.isCancelConfirmed = isCancelConfirmed
        self.createdBy = createdBy
        self.createdAt = createdAt
        self.startedAt = startedAt
        self.finishedAt = finishedAt
        self.attempts = attempts
        self.children = children
    }
}

/// Body of `POST /v1/operations/{id}/abandon`.
public struct AbandonRequest: Sendable, Codable {
    /// Why, for the operation's record; at most 1,000 bytes.
    public var reason: String?

    public init(reason: String?) {
        self.reason = reason
    }
}

/// One lease of an operation.
public struct OperationAttempt: Sendable, Codable, Hashable {
    public var attempt: Int
    public var epoch: Int64
    /// The host's name, or `hub`.
    public var owner: String
    public var startedAt: Timestamp
    public var endedAt: Timestamp?
    /// How the lease ended, such as `succeeded`, `lease-lost`, `released` or a failure's code.
    public var end: String?

    public init(
        attempt: Int, epoch: Int64, owner: String, startedAt: Timestamp, endedAt: Timestamp?,
        end: String?
    ) {
        self.attempt = attempt
        self.epoch = epoch
        self.owner = owner
        self.startedAt = startedAt
        self.endedAt = endedAt
        self.end = end
    }
}
