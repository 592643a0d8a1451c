/// First message of an agent: the join token's secret for an identity.
public struct EnrollRequest: Sendable, Codable {
    public var secret: String
    public var agentVersion: String
    public var ledger: LedgerID

    public init(secret: String, agentVersion: String, ledger: LedgerID) {
        self.secret = secret
        self.agentVersion = agentVersion
        self.ledger = ledger
    }
}

/// The identity of a host; the token is shown only here and goes to a file of mode 0600.
public struct EnrollAnswer: Sendable, Codable {
    public var host: HostID
    public var name: String
    public var token: String
    public var timeline: TimelineID

    public init(host: HostID, name: String, token: String, timeline: TimelineID) {
        self.host = host
        self.name = name
        self.token = token
        self.timeline = timeline
    }
}

/// Opens a session: ends the leases of the host's earlier sessions first.
public struct OpenSessionRequest: Sendable, Codable {
    public var session: SessionID
    public var ledger: LedgerID
    public var agentVersion: String
    /// The hub history that the agent knows, to be compared.
    public var timeline: TimelineID?
    /// The highest fencing number and the last acknowledged report that the agent has seen: a hub
    /// that knows less has lost a part of its history.
    public var highestEpoch: Int64?
    public var acknowledgedReport: Int64?
    /// The newest entry of the hub's log that the agent was told of.
    public var logHead: LogHead?

    public init(
        session: SessionID, ledger: LedgerID, agentVersion: String, timeline: TimelineID?,
        highestEpoch: Int64? = nil, acknowledgedReport: Int64? = nil, logHead: LogHead? = nil
    ) {
        self.logHead = logHead
        self.highestEpoch = highestEpoch
        self.acknowledgedReport = acknowledgedReport
        self.session = session
        self.ledger = ledger
        self.agentVersion = agentVersion
        self.timeline = timeline
    }
}

/// What the agent goes by during a session.
public struct OpenSessionAnswer: Sendable, Codable {
    public var host: HostID
    public var timeline: TimelineID
    /// How long a lease lasts after the request that renewed it was sent.
    public var leaseMilliseconds: Int64
    public var heartbeatMilliseconds: Int64
    /// The highest report of this ledger that has been applied.
    public var appliedReport: Int64
    /// Where the hub's log ends now, to be remembered.
    public var logHead: LogHead?

    public init(
        host: HostID, timeline: TimelineID, leaseMilliseconds: Int64,
        heartbeatMilliseconds: Int64, appliedReport: Int64, logHead: LogHead? = nil
    ) {
        self.logHead = logHead
        self.host = host
        self.timeline = timeline
        self.leaseMilliseconds = leaseMilliseconds
        self.heartbeatMilliseconds = heartbeatMilliseconds
        self.appliedReport = appliedReport
    }
}

/// Asks for work; the same request id gets the same answer.
public struct LeaseRequest: Sendable, Codable {
    public var session: SessionID
    public var request: RequestID
    /// How many operations the agent can take now, 1 to 100.
    public var capacity: Int
    /// How long to wait for work, 0 to 60,000.
    public var waitMilliseconds: Int64
    /// As in a heartbeat.
    public var logHead: LogHead?

    public init(
        session: SessionID, request: RequestID, capacity: Int, waitMilliseconds: Int64,
        logHead: LogHead? = nil
    ) {
        self.logHead = logHead
        self.session = session
        self.request = request
        self.capacity = capacity
        self.waitMilliseconds = waitMilliseconds
    }
}

/// Work that the session holds the lease of.
public struct LeaseAnswer: Sendable, Codable {
    public var operations: [LeasedOperation]

    public init(operations: [LeasedOperation]) {
        self.operations = operations
    }
}

/// An operation under a lease.
public struct LeasedOperation: Sendable, Codable, Hashable {
    public var id: OperationID
    public var kind: OperationKind
    /// The fencing number of this lease (D7).
    public var epoch: Int64
    /// The epoch of the guard that it works under, of a move, restore or deletion; nil where none.
    ///
    /// A host that has seen it refuses every lease on the project that is older.
    public var guardEpoch: Int64?
    /// Which try this is, from 1.
    public var attempt: Int
    /// The kind's own input document.
    public var input: JSONValue

    public init(
        id: OperationID, kind: OperationKind, epoch: Int64, guardEpoch: Int64? = nil,
        attempt: Int, input: JSONValue
    ) {
        self.id = id
        self.kind = kind
        self.epoch = epoch
        self.guardEpoch = guardEpoch
        self.attempt = attempt
        self.input = input
    }
}

/// An operation that an agent works on, in a heartbeat.
public struct HeldLease: Sendable, Codable, Hashable {
    public var operation: OperationID
    public var epoch: Int64
    public var progress: Progress?

    public init(operation: OperationID, epoch: Int64, progress: Progress? = nil) {
        self.operation = operation
        self.epoch = epoch
        self.progress = progress
    }
}

/// One heartbeat for all running operations of an agent; an operation that it does not list any
/// more is released after one interval.
public struct HeartbeatRequest: Sendable, Codable {
    public var session: SessionID
    public var held: [HeldLease]
    /// Operations that do not run here and did not end here for good, at most 1,000: what they left
    /// is kept until they have ended.
    public var interrupted: [OperationID]?
    public var status: HostStatus
    /// The newest entry of the hub's log that the agent was told of: where the hub does not have it,
    /// the session has ended.
    public var logHead: LogHead?

    public init(
        session: SessionID, held: [HeldLease], interrupted: [OperationID]? = nil,
        status: HostStatus, logHead: LogHead? = nil
    ) {
        self.logHead = logHead
        self.session = session
        self.held = held
        self.interrupted = interrupted
        self.status = status
    }
}

/// What a heartbeat brings back.
public struct HeartbeatAnswer: Sendable, Codable {
    /// Operations to stop; the agent confirms with an outcome of `canceled`.
    public var canceled: [OperationID]
    /// Operations whose lease is gone: stop and report nothing.
    public var lost: [OperationID]
    /// Which of the interrupted operations have ended: nobody goes on with them.
    public var ended: [OperationID]?
    /// Where the hub's log ends now, to be remembered.
    public var logHead: LogHead?

    public init(
        canceled: [OperationID], lost: [OperationID], ended: [OperationID]? = nil,
        logHead: LogHead? = nil
    ) {
        self.logHead = logHead
        self.canceled = canceled
        self.lost = lost
        self.ended = ended
    }
}

/// What a host says of itself with every heartbeat.
public struct HostStatus: Sendable, Codable, Hashable {
    public var agentVersion: String
    public var filesystem: FilesystemID?
    public var freeBytes: Int64
    public var totalBytes: Int64
    /// Reports that wait to be acknowledged.
    public var outboxPending: Int64
    /// Why the host cannot work, such as an unmounted file system; nil when all is well.
    public var trouble: String?

    public init(
        agentVersion: String, filesystem: FilesystemID?, freeBytes: Int64, totalBytes: Int64,
        outboxPending: Int64, trouble: String?
    ) {
        self.agentVersion = agentVersion
        self.filesystem = filesystem
        self.freeBytes = freeBytes
        self.totalBytes = totalBytes
        self.outboxPending = outboxPending
        self.trouble = trouble
    }
}
