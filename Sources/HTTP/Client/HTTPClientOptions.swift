/// What a client's connections have in common.
public struct HTTPClientOptions: Sendable {
    /// Which certificates a server may show.
    public enum Trust: Sendable {
        /// Those that the system's authorities signed.
        case system
        /// Those that one of these authorities signed, in PEM.
        case authorities(pem: [UInt8])
        /// Any at all. Only to fetch an authority whose fingerprint is known
        /// (`HTTPClient.fetchAuthority`).
        case anyone
    }

    /// Which certificates a server may show, default those the system trusts.
    public var trust: Trust = .system
    /// How long a connection may take, with its TLS handshake, default 10 s.
    public var connectTimeout: Duration = .seconds(10)
    /// Connections at once, default 256; further requests wait.
    public var connectionLimit = 256
    /// Connections at once to one host, default 128; further requests wait.
    public var connectionsPerHostLimit = 128
    /// How much of a body is held in memory per direction, default 256 KiB.
    public var bufferBytes = 256 << 10
    /// The limit of a response's head, default 64 KiB.
    public var headLimitBytes = 64 << 10
    /// Whether addresses are refused that no server of ours can have: link-local ones and the
    /// metadata services of clouds; default false.
    ///
    /// What a name resolves to counts, at every connection.
    public var refusesLocalServices = false
    /// The proxy as `http://host:port`, default none; the environment is not asked.
    public var proxy: String?
    /// Sent as `User-Agent`, default none.
    public var userAgent: String?

    /// The defaults.
    public init() {}
}
