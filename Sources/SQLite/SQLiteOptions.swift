/// How a database is opened.
public struct SQLiteOptions: Sendable {
    /// How much survives a power failure (PRAGMA synchronous).
    public enum Synchronous: String, Sendable {
        /// Every commit is on the disk before it returns.
        case full = "FULL"
        /// A power failure may take the last commits, never the integrity.
        case normal = "NORMAL"
    }

    /// How long a statement waits for another connection's lock; default 5 seconds.
    public var busyTimeout: Duration
    /// Default full.
    public var synchronous: Synchronous
    /// Whether a missing file is made; default true.
    public var creates: Bool
    /// Whether writing is refused; default false.
    public var isReadOnly: Bool
    /// How many prepared statements are kept, 1 or more; default 128.
    public var statementLimit: Int

    /// Options with the defaults of the properties.
    public init(
        busyTimeout: Duration = .seconds(5), synchronous: Synchronous = .full,
        creates: Bool = true, isReadOnly: Bool = false, statementLimit: Int = 128
    ) {
        self.busyTimeout = busyTimeout
        self.synchronous = synchronous
        self.creates = creates
        self.isReadOnly = isReadOnly
        self.statementLimit = statementLimit
    }
}
