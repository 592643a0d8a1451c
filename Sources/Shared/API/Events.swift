/// One change of the registry, as the log keeps it.
public struct EventDescription: Sendable, Codable, Hashable {
    /// Its place in the log: gapless, in the order of the commits.
    public var sequence: Int64
    /// The thing, a dot, what happened, as in `project.created`.
    ///
    /// Readers pass over types and versions that they do not know.
    public var type: String
    /// The version of the payload's form.
    public var version: Int
    public var project: ProjectID?
    public var host: HostID?
    /// Who did it, and why where that was said.
    public var actor: String
    public var reason: String?
    public var request: RequestID?
    public var time: Timestamp
    public var payload: JSONValue

    public init(
        sequence: Int64, type: String, version: Int, project: ProjectID?, host: HostID?,
        actor: String, reason: String?, request: RequestID?, time: Timestamp, payload: JSONValue
    ) {
        self.sequence = sequence
        self.type = type
        self.version = version
        self.project = project
        self.host = host
        self.actor = actor
        self.reason = reason
        self.request = request
        self.time = time
        self.payload = payload
    }
}

/// Tells a reader of the feed that events it has not seen cannot be had any more, or that they are
/// of another history: it reads the registry anew and goes on behind `newest`.
public struct EventReset: Sendable, Codable, Hashable {
    /// Why the feed cannot go on.
    public enum Reason: String, Sendable, Codable {
        /// The events behind the reader's are older than the feed keeps.
        case retention
        /// The reader has seen events that are not of this history: the database was restored.
        case timeline
    }

    public var reason: Reason
    /// The first event that the feed offers, and the last one there is.
    public var oldest: Int64
    public var newest: Int64
    public var timeline: TimelineID

    public init(reason: Reason, oldest: Int64, newest: Int64, timeline: TimelineID) {
        self.reason = reason
        self.oldest = oldest
        self.newest = newest
        self.timeline = timeline
    }
}

/// A piece of the feed (`GET /v1/events`).
public struct EventPage: Sendable, Codable {
    public var schema: String
    public var items: [EventDescription]
    /// What the next request gives as `after`; it may be above the last item's sequence, where
    /// events that the filter leaves out were passed.
    public var next: Int64
    /// The last event there is.
    public var newest: Int64
    public var timeline: TimelineID
    /// Set where the feed cannot go on behind `after`; then there are no items.
    public var reset: EventReset?

    public init(
        items: [EventDescription], next: Int64, newest: Int64, timeline: TimelineID,
        reset: EventReset?
    ) {
        schema = "event.list/1"
        self.items = items
        self.next = next
        self.newest = newest
        self.timeline = timeline
        self.reset = reset
    }
}
