/// One HTTP/1.1 message as it goes over a wire, whole in memory.
struct WireMessage: Sendable {
    /// The request line or the status line.
    var start: String
    var headers: [(name: String, value: String)]
    var body: [UInt8]

    /// The most that a message may have; tests send less.
    static let limitBytes = 256 << 20

    subscript(_ name: String) -> String? {
        headers.first { $0.name.lowercased() == name.lowercased() }?.value
    }

    mutating func set(_ name: String, _ value: String?) {
        headers.removeAll { $0.name.lowercased() == name.lowercased() }
        if let value { headers.append((name, value)) }
    }

    /// The words of the first line.
    var words: [Substring] { start.split(separator: " ", maxSplits: 2) }

    /// Head and body, as they are sent.
    var bytes: [UInt8] { head + body }

    var head: [UInt8] {
        var text = start + "\r\n"
        for header in headers { text += "\(header.name): \(header.value)\r\n" }
        return Array((text + "\r\n").utf8)
    }

    /// Reads a head; nil at the end of the connection.
    init?(headOf reader: WireReader) {
        guard let text = reader.head() else { return nil }
        let lines = text.split(separator: "\r\n", omittingEmptySubsequences: true)
        guard let first = lines.first else { return nil }
        start = String(first)
        headers = lines.dropFirst().compactMap { line in
            guard let colon = line.firstIndex(of: ":") else { return nil }
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            return (String(line[..<colon]), String(value))
        }
        body = []
    }

    init(status: Int, headers: [(name: String, value: String)], body: [UInt8]) {
        start = "HTTP/1.1 \(status) Told"
        self.headers = headers + [("Content-Length", String(body.count))]
        self.body = body
    }
}

/// Reads messages from a socket.
final class WireReader {
    private let socket: Socket
    private var buffer: [UInt8] = []

    init(_ socket: Socket) {
        self.socket = socket
    }

    /// The text up to an empty line; nil at the end of the connection.
    func head() -> String? {
        while true {
            if let end = Self.endOfHead(buffer) {
                defer { buffer.removeFirst(end) }
                return String(decoding: buffer[..<end], as: UTF8.self)
            }
            guard buffer.count < 1 << 20, more() else { return nil }
        }
    }

    /// Exactly so many bytes; nil when the connection ends before.
    func bytes(_ count: Int) -> [UInt8]? {
        guard count <= WireMessage.limitBytes else { return nil }
        while buffer.count < count {
            guard more() else { return nil }
        }
        defer { buffer.removeFirst(count) }
        return Array(buffer[..<count])
    }

    /// All to the end of the connection.
    func rest() -> [UInt8] {
        while buffer.count < WireMessage.limitBytes, more() {}
        defer { buffer = [] }
        return buffer
    }

    private func more() -> Bool {
        let piece = socket.received(atMost: 256 << 10)
        buffer += piece
        return !piece.isEmpty
    }

    private static func endOfHead(_ bytes: [UInt8]) -> Int? {
        guard bytes.count >= 4 else { return nil }
        for index in 0...(bytes.count - 4) where bytes[index] == 13 && bytes[index + 2] == 13 {
            if bytes[index + 1] == 10, bytes[index + 3] == 10 { return index + 4 }
        }
        return nil
    }

    /// The body of a message that was sent in chunks (RFC 9112 section 7.1).
    static func unchunked(_ bytes: [UInt8]) -> [UInt8] {
        var body: [UInt8] = []
        var rest = bytes[...]
        while let end = rest.firstIndex(of: 10) {
            let digits = String(decoding: rest[..<end], as: UTF8.self).prefix { $0.isHexDigit }
            guard let count = Int(digits, radix: 16), count > 0 else { break }
            let start = end + 1
            guard start + count <= rest.endIndex else { break }
            body += rest[start..<start + count]
            rest = rest[min(start + count + 2, rest.endIndex)...]
        }
        return body
    }
}
