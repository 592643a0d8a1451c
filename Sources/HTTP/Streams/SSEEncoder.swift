/// Writes an event stream, whose `Content-Type` is `text/event-stream`.
public enum SSEEncoder {
    /// A comment that keeps the connection alive and finds out that the client has left; send one
    /// every 15 s.
    public static let heartbeat: [UInt8] = Array(":\n\n".utf8)

    /// One event; line breaks and NUL in id and name, which have no room for them, are left out.
    public static func encode(_ event: SSEEvent) -> [UInt8] {
        var text = ""
        if let id = event.id { text += "id: \(oneLine(id))\n" }
        if event.event != "message" { text += "event: \(oneLine(event.event))\n" }
        let lines = event.data.unicodeScalars.split(
            omittingEmptySubsequences: false, whereSeparator: { $0 == "\n" })
        for line in lines { text += "data: \(oneLine(String(line)))\n" }
        return Array((text + "\n").utf8)
    }

    /// How long a client waits before it connects again, at most 11 days.
    public static func retry(after delay: Duration) -> [UInt8] {
        Array("retry: \(Int64(min(max(delay / .milliseconds(1), 0), 1e9)))\n\n".utf8)
    }

    private static func oneLine(_ text: String) -> String {
        var scalars = text.unicodeScalars
        scalars.removeAll { $0 == "\n" || $0 == "\r" || $0 == "\0" }
        return String(scalars)
    }
}
