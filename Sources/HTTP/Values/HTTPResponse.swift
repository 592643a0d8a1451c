/// What a server's handler answers.
public struct HTTPResponse: Sendable {
    /// The status code, 200 to 599 (RFC 9110 section 15).
    public var status: Int
    /// The header fields; `Content-Length`, `Transfer-Encoding` and `Date` are the server's own.
    public var headers: HTTPHeaders
    /// The body; it is not sent for HEAD, 204 and 304.
    public var body: HTTPBody

    /// - Parameters:
    ///   - status: the status code, 200 to 599.
    ///   - headers: the header fields, none by default.
    ///   - body: the body, empty by default.
    public init(status: Int, headers: HTTPHeaders = [:], body: HTTPBody = .empty) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}
