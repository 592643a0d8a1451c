public import Platform

/// How a store uses its bucket: how much at once, and how long.
public struct S3Options: Sendable {
    /// How many requests read at once, and how many write; default 16 each, and twice as many whose
    /// bodies are handed on piece by piece.
    public var requestsAtOnce = 16
    /// How many parts of one large object are sent at once, each of which is held in memory; default
    /// 2.
    public var partsAtOnce = 2
    /// Larger objects are sent in parts; default 64 MiB.
    public var multipartThresholdBytes: Int64 = 64 << 20
    /// The size of a part, default 8 MiB; larger where more than 10 000 would be needed.
    public var partBytes = 8 << 20
    /// No new attempt begins later than this after the first one of a call; default 2 minutes.
    public var patience: Duration = .seconds(120)
    /// How long a connection may take, default 10 seconds.
    public var connectTimeout: Duration = .seconds(10)
    /// How long an exchange may be slower than `slowestBytesPerSecond`, default 30 seconds.
    public var stallTimeout: Duration = .seconds(30)
    /// What is no progress, default 1 KiB a second.
    public var slowestBytesPerSecond = 1 << 10
    /// How long an exchange may take besides its body, default 60 seconds; for the body comes the
    /// time that it takes at `bodyBytesPerSecond`.
    ///
    /// Downloads that are handed on in pieces are as slow as who takes them, and have the limit on
    /// progress only.
    public var requestTimeout: Duration = .seconds(60)
    /// How fast bodies are at least, default 64 KiB a second.
    public var bodyBytesPerSecond: Int64 = 64 << 10
    /// Whether a look comes behind each PUT: a provider that acknowledges and loses is found out.
    ///
    /// Default true.
    public var confirmsPuts = true
    /// The most objects of a listing, default 10 million.
    public var listLimit = 10_000_000
    /// The wall clock that requests are dated with.
    public var now: @Sendable () -> UTCTime = { UTCTime.now() }

    /// The defaults.
    public init() {}

    /// How long an exchange with so many bytes may take.
    func deadline(bodyBytes: Int64) -> Duration {
        requestTimeout + .seconds(Double(bodyBytes) / Double(max(1, bodyBytesPerSecond)))
    }
}
