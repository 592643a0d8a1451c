/// Reads an event stream as its bytes come (WHATWG HTML section 9.2.6).
public struct SSEDecoder: Sendable {
    /// The id of the last event, for `Last-Event-ID` when connecting again.
    public private(set) var lastEventID: String?
    /// How long the server wants a client to wait before it connects again.
    public private(set) var retryDelay: Duration?

    private let limitBytes: Int
    private var line: [UInt8] = []
    private var isAfterCarriageReturn = false
    private var isAtStart = true
    private var name = ""
    private var data: [UInt8] = []
    private var hasData = false

    /// - Parameter limitBytes: how large one event may be, default 1 MiB.
    public init(limitBytes: Int = 1 << 20) {
        self.limitBytes = limitBytes
    }

    /// Takes the next bytes.
    ///
    /// - Returns: the events that they complete.
    /// - Throws: `HTTPError` with code `tooLarge` when an event is larger than the limit.
    public mutating func decode(_ bytes: some Sequence<UInt8>) throws(HTTPError) -> [SSEEvent] {
        var events: [SSEEvent] = []
        for byte in bytes {
            let follows = isAfterCarriageReturn
            isAfterCarriageReturn = byte == 13
            switch byte {
            case 10 where follows: continue
            case 10, 13:
                if let event = endLine() { events.append(event) }
            default:
                line.append(byte)
                guard line.count + data.count <= limitBytes else {
                    throw HTTPError(
                        code: .tooLarge, message: "an event is larger than \(limitBytes) bytes")
                }
            }
        }
        return events
    }

    private mutating func endLine() -> SSEEvent? {
        defer { line.removeAll(keepingCapacity: true) }
        if isAtStart {
            isAtStart = false
            if line.starts(with: [0xEF, 0xBB, 0xBF]) { line.removeFirst(3) }
        }
        guard !line.isEmpty else { return dispatch() }
        let parts = line.split(
            separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false)
        var value = parts.count == 2 ? parts[1] : []
        if value.first == UInt8(ascii: " ") { value.removeFirst() }
        switch String(decoding: parts[0], as: UTF8.self) {
        case "data":
            if hasData { data.append(10) }
            data += value
            hasData = true
        case "event": name = String(decoding: value, as: UTF8.self)
        case "id" where !value.contains(0): lastEventID = String(decoding: value, as: UTF8.self)
        case "retry":
            if let delay = Int64(String(decoding: value, as: UTF8.self)), delay >= 0 {
                retryDelay = .milliseconds(delay)
            }
        default: break  // comments and unknown fields
        }
        return nil
    }

    private mutating func dispatch() -> SSEEvent? {
        defer {
            name = ""
            data.removeAll(keepingCapacity: true)
            hasData = false
        }
        guard hasData else { return nil }
        return SSEEvent(
            id: lastEventID, event: name.isEmpty ? "message" : name,
            data: String(decoding: data, as: UTF8.self))
    }
}
