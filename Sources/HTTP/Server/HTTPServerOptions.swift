/// Where a server listens and what it bears.
public struct HTTPServerOptions: Sendable {
    /// The numeric IPv4 or IPv6 address, default `127.0.0.1`; `::` is every address of both.
    public var address = "127.0.0.1"
    /// The TCP port, default 0: any free one.
    public var port: UInt16 = 0
    /// The certificate chain and key of TLS (1.2 and 1.3), default none: plain HTTP.
    public var tls: TLSIdentity?
    /// Threads that move bytes, default 2, 1 to 64; handlers do not run on them.
    public var threads = 2
    /// Connections at once, default 1024; further ones wait in the backlog.
    public var connectionLimit = 1024
    /// Connections at once from one address, default 0: no limit of its own.
    public var connectionsPerAddressLimit = 0
    /// Memory of one connection, default 32 KiB; a head must fit into it or is answered 431.
    public var connectionMemoryBytes = 32 << 10
    /// How long a connection may rest or take to send a request's head, and how long a body may
    /// stall in either direction, default 60 s, whole seconds, at least 1.
    public var idleTimeout: Duration = .seconds(60)
    /// How long a request's body may take from head to end, default 15 min.
    public var bodyDeadline: Duration = .seconds(900)
    /// How large a request's body may be unless its handler says otherwise
    /// (`HTTPBodyStream.limited(toBytes:)`), default 1 MiB.
    public var bodyLimitBytes: Int64 = 1 << 20
    /// How much of a body that the handler did not read is still received, default 16 MiB.
    ///
    /// So the connection is kept and the client, who may read only after writing, sees the answer.
    /// Beyond it the connection is closed, after the answer only if the body had not begun.
    public var drainLimitBytes: Int64 = 16 << 20
    /// How much of a body is held in memory per direction, default 256 KiB.
    public var bufferBytes = 256 << 10
    /// Requests that wait for a task, default 256; further ones are answered 503.
    public var backlog = 256
    /// How long `stop()` lets requests finish, default 5 s.
    public var stopGrace: Duration = .seconds(5)
    /// How often clients of waiting requests are looked at, default 1 s, at least 10 ms.
    public var sweepInterval: Duration = .seconds(1)
    /// What a request is answered that never reaches the handler (malformed: `badRequest`, too
    /// many: `overloaded`) or whose response cannot be sent (`invalidMessage`); plain text default.
    public var refusal: @Sendable (HTTPError) -> HTTPResponse = { error in
        let status =
            switch error.code {
            case .badRequest: 400
            case .overloaded: 503
            default: 500
            }
        return HTTPResponse(
            status: status, headers: ["Content-Type": "text/plain; charset=utf-8"],
            body: .text(error.message + "\n"))
    }
    /// Receives the C library's complaints, one line each; it must not block; default: dropped.
    public var complaint: @Sendable (String) -> Void = { _ in }

    /// The defaults.
    public init() {}
}
