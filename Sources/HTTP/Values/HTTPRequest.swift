/// The head of a request that a server received.
public struct HTTPRequest: Sendable {
    /// One pair of the query.
    public struct QueryItem: Sendable, Equatable {
        /// The decoded name.
        public let name: String
        /// The decoded value, empty where there is none.
        public let value: String

        /// - Parameters:
        ///   - name: the decoded name.
        ///   - value: the decoded value.
        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    /// The method as it was sent, such as `GET`.
    public let method: String
    /// The path as it was sent, without the query.
    public let path: String
    /// The path's segments, percent-decoded; a segment may hold a `/` that was sent as `%2F`.
    public let pathSegments: [String]
    /// The query's pairs in order, decoded.
    public let query: [QueryItem]
    /// The header fields in order.
    public let headers: HTTPHeaders
    /// The peer's numeric address and port, such as `127.0.0.1:50312`.
    public let peer: String

    /// - Parameters:
    ///   - method: the method, such as `GET`.
    ///   - target: path and query as sent; decoded strictly.
    ///   - headers: the header fields.
    ///   - peer: the peer's address and port.
    /// - Throws: `HTTPError` with code `badRequest` when the target is malformed.
    public init(
        method: String, target: String, headers: HTTPHeaders = [:], peer: String = ""
    ) throws(HTTPError) {
        let parsed = try HTTPTarget(parsing: target)
        self.method = method
        path = parsed.path
        pathSegments = parsed.pathSegments
        query = parsed.query
        self.headers = headers
        self.peer = peer
    }

    /// The first value of a query parameter, nil when it is absent.
    public func queryValue(_ name: String) -> String? {
        query.first { $0.name == name }?.value
    }
}
