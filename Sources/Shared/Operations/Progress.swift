/// How far an operation is: one schema for every kind.
///
/// A worker sends it at most once a second.
public struct Progress: Sendable, Codable, Hashable {
    /// What `done` and `total` count.
    public enum Unit: String, Sendable, Codable {
        case bytes
        case files
        case steps
    }

    /// How grave a message is.
    public enum Level: String, Sendable, Codable {
        case info
        case warning
        case error
    }

    /// When it was observed.
    public var time: Timestamp
    /// A word for what is being done, such as `upload`.
    public var phase: String
    /// Which phase of `phaseCount`, counted from 1.
    public var phaseIndex: Int
    public var phaseCount: Int
    /// Work done in this phase, in `unit`.
    public var done: Int64
    /// All work of this phase, or nil while it is not known.
    public var total: Int64?
    public var unit: Unit
    /// Units per second, smoothed over 15 s.
    public var rate: Double?
    /// Seconds to the end of the phase, left out below 2 % or 5 s.
    public var etaSeconds: Double?
    /// The current item or a note.
    public var message: String?
    public var level: Level

    public init(
        time: Timestamp, phase: String, phaseIndex: Int, phaseCount: Int, done: Int64 = 0,
        total: Int64? = nil, unit: Unit = .steps, rate: Double? = nil, etaSeconds: Double? = nil,
        message: String? = nil, level: Level = .info
    ) {
        self.time = time
        self.phase = phase
        self.phaseIndex = phaseIndex
        self.phaseCount = phaseCount
        self.done = done
        self.total = total
        self.unit = unit
        self.rate = rate
        self.etaSeconds = etaSeconds
        self.message = message
        self.level = level
    }
}
