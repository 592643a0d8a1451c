/// The response to a client's request: its head, and its body as it comes.
public struct HTTPClientResponse: Sendable {
    /// The status code; redirects are not followed.
    public let status: Int
    /// The header fields in order.
    public let headers: HTTPHeaders
    /// The body; read it to its end (`collect`), so that the connection can be used again.
    ///
    /// Dropping it before its end aborts the transfer.
    public let body: HTTPBodyStream
}
