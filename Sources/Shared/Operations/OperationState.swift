/// Where an operation stands.
///
/// Terminal states never change.
public enum OperationState: String, Sendable, Codable, CaseIterable {
    /// May be claimed now, or when its time comes.
    case queued
    /// A session holds its lease.
    case running
    /// Parked on children, a timer or a host that is offline: no lease, no heartbeat.
    case waiting
    case succeeded
    case failed
    case canceled
    case expired

    /// Whether nothing can change any more.
    public var isTerminal: Bool {
        switch self {
        case .queued, .running, .waiting: false
        case .succeeded, .failed, .canceled, .expired: true
        }
    }
}

/// Why an operation does not run now.
public enum WaitingReason: String, Sendable, Codable {
    /// Its host's agent has not been heard of.
    case hostOffline = "host-offline"
    /// A limit is used up; the sentence names it.
    case noSlot = "no-slot"
    /// It failed and is tried again later.
    case backoff
    /// It was asked for at a later time.
    case scheduled
    /// Another operation holds the project.
    case guarded
    /// Its children work.
    case children
    /// Nobody has claimed it yet.
    case ready
    /// Its worker's lease ran out; it will be claimed again.
    case leaseLost = "lease-lost"
    /// Its bucket does not work; it goes on when the bucket does.
    case bucket
}

/// The reason why an operation is not running, for people and programs.
public struct Waiting: Sendable, Codable, Hashable {
    /// The reason's code.
    public let reason: WaitingReason
    /// A sentence for people.
    public let sentence: String
    /// When it is tried next, where that is known.
    public let nextTryAt: Timestamp?
    /// Since when it has not been worked on.
    public var since: Timestamp?

    public init(
        reason: WaitingReason, sentence: String, nextTryAt: Timestamp? = nil,
        since: Timestamp? = nil
    ) {
        self.reason = reason
        self.sentence = sentence
        self.nextTryAt = nextTryAt
        self.since = since
    }
}
