/// The body of a message that is sent: by a server in a response, by a client in a request.
public enum HTTPBody: Sendable {
    /// All bytes at once.
    case bytes([UInt8])
    /// The same in several pieces, one after another, which need not be put together for it.
    case pieces([[UInt8]])
    /// Bytes that a closure writes while they are being sent. It is suspended while the peer is
    /// slow, and canceled when the peer leaves. `length` is the exact number of bytes, or nil for a
    /// body that is sent in chunks (RFC 9112 section 7.1).
    case stream(
        length: Int64?, produce: @Sendable (_ writer: HTTPBodyWriter) async throws -> Void)

    /// No bytes.
    public static let empty = HTTPBody.bytes([])

    /// The text's UTF-8 bytes.
    public static func text(_ text: String) -> HTTPBody { .bytes(Array(text.utf8)) }
}
