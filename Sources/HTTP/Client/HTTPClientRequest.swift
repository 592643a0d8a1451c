/// A request that a client sends.
public struct HTTPClientRequest: Sendable {
    /// The method, such as `GET`.
    public var method: String
    /// The absolute URL, `http` or `https`, already percent-encoded.
    public var url: String
    /// The header fields; `Host`, `Content-Length` and `Transfer-Encoding` are the client's own.
    public var headers: HTTPHeaders
    /// The body, empty by default.
    ///
    /// A stream cannot be sent again: it fails with `connectionReset`
    /// where the server closed a kept connection just then.
    public var body: HTTPBody
    /// How long the whole exchange may take, reading the response's body included; default 60 s,
    /// nil for no limit.
    public var deadline: Duration?
    /// How long nothing may move in either direction, default 60 s, whole seconds; nil for streams
    /// that may be silent.
    ///
    /// Time in which the caller lets a response wait does not count. It is also what ends an upload
    /// whose closure is silent while the server has gone: libcurl 7.88 does not look then.
    public var stallTimeout: Duration?
    /// How many bytes a second are no stall, default 1; below that for `stallTimeout` is a timeout.
    public var slowestBytesPerSecond = 1

    /// - Parameters:
    ///   - method: the method, default `GET`.
    ///   - url: the absolute URL.
    ///   - headers: the header fields, none by default.
    ///   - body: the body, empty by default.
    ///   - deadline: how long the whole exchange may take, default 60 s, nil for no limit.
    ///   - stallTimeout: how long nothing may move, default 60 s, nil for no limit.
    public init(
        method: String = "GET", url: String, headers: HTTPHeaders = [:], body: HTTPBody = .empty,
        deadline: Duration? = .seconds(60), stallTimeout: Duration? = .seconds(60)
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.deadline = deadline
        self.stallTimeout = stallTimeout
    }

    /// - Throws: `HTTPError` with code `invalidMessage` for what must not be put on a wire.
    func validate() throws(HTTPError) {
        guard url.hasPrefix("http://") || url.hasPrefix("https://"),
            url.utf8.allSatisfy({ $0 > 32 && $0 < 127 })
        else {
            throw HTTPError(
                code: .invalidMessage,
                message: "\(origin.debugDescription): no percent-encoded http or https URL")
        }
        guard !method.isEmpty, method.utf8.allSatisfy({ (65...90).contains($0) }) else {
            throw HTTPError(
                code: .invalidMessage, message: "\(method.debugDescription) is no HTTP method")
        }
        if let field = headers.firstInvalid {
            throw HTTPError(
                code: .invalidMessage,
                message: "the header \(field.name.debugDescription) cannot be sent")
        }
    }

    /// Scheme, host and port, for messages: no path, no query, no password.
    var origin: String {
        let scheme = url.hasPrefix("https://") ? "https://" : "http://"
        let authority = url.dropFirst(scheme.count).prefix { !"/?#".contains($0) }
        return scheme + (authority.split(separator: "@").last ?? authority)
    }
}
