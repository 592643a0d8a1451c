/// One event of an event stream (WHATWG HTML, server-sent events).
public struct SSEEvent: Sendable, Equatable {
    /// The event's id; on reading, the last one that the stream gave, nil before any.
    public var id: String?
    /// The event's name, default `message`.
    public var event: String
    /// The event's data; may have several lines.
    public var data: String

    /// - Parameters:
    ///   - id: the id, none by default; without line breaks and NUL.
    ///   - event: the name, default `message`; without line breaks.
    ///   - data: the data.
    public init(id: String? = nil, event: String = "message", data: String) {
        self.id = id
        self.event = event
        self.data = data
    }
}
