/// When something recurs, in UTC: every so many seconds since 1970, or daily at a minute.
///
/// A slot is an instant at which it is due; a schedule may be due up to `jitterSeconds` behind its
/// slot, always the same for the same slot, so that a thousand schedules do not begin at once.
public struct Cadence: Sendable, Codable, Hashable {
    /// From a minute to ten years.
    public static let periodBounds: ClosedRange<Int64> = 60...315_360_000

    /// The period; a day where `minuteOfDay` says when.
    public var everySeconds: Int64
    /// Behind the period's multiples, less than the period.
    public var offsetSeconds: Int64
    /// Less than the period.
    public var jitterSeconds: Int64

    public init(everySeconds: Int64, offsetSeconds: Int64 = 0, jitterSeconds: Int64 = 0) {
        self.everySeconds = everySeconds
        self.offsetSeconds = offsetSeconds
        self.jitterSeconds = jitterSeconds
    }

    /// Daily at `HH:MM` in UTC.
    ///
    /// - Returns: nil for anything else.
    public init?(dailyAt text: String, jitterSeconds: Int64 = 0) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ $0.count == 2 && $0.allSatisfy(\.isASCII) }),
            let hour = Int64(parts[0]), let minute = Int64(parts[1]), (0..<24).contains(hour),
            (0..<60).contains(minute)
        else { return nil }
        self.init(
            everySeconds: 86_400, offsetSeconds: (hour * 60 + minute) * 60,
            jitterSeconds: jitterSeconds)
    }

    /// What is wrong with it, or nil.
    public var objection: String? {
        if !Self.periodBounds.contains(everySeconds) { return "it recurs in 1 minute to 10 years" }
        if !(0..<everySeconds).contains(offsetSeconds) {
            return "the offset is less than the period"
        }
        if !(0..<everySeconds).contains(jitterSeconds) {
            return "the jitter is less than the period"
        }
        return nil
    }

    /// The first slot behind an instant.
    public func slot(after time: Timestamp) -> Timestamp {
        let (period, offset) = (everySeconds * 1000, offsetSeconds * 1000)
        let since = time.milliseconds - offset
        let turns = since >= 0 ? since / period : -((-since + period - 1) / period)
        return Timestamp(milliseconds: (turns + 1) * period + offset)
    }

    /// How many slots there are behind `first` up to `last`, both inclusive of `last`.
    public func slots(after first: Timestamp, through last: Timestamp) -> Int64 {
        guard last > first else { return 0 }
        let (period, offset) = (everySeconds * 1000, offsetSeconds * 1000)
        func turn(_ time: Timestamp) -> Int64 {
            let since = time.milliseconds - offset
            return since >= 0 ? since / period : -((-since + period - 1) / period)
        }
        return turn(last) - turn(first)
    }

    /// When a slot is due: up to the jitter behind it.
    ///
    /// - Parameter seed: tells one schedule from another.
    public func due(_ slot: Timestamp, seed: UInt64) -> Timestamp {
        guard jitterSeconds > 0 else { return slot }
        // SplitMix64's last steps, over the schedule and its slot.
        var mixed = seed &+ UInt64(bitPattern: slot.milliseconds) &* 0x9E37_79B9_7F4A_7C15
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        mixed ^= mixed >> 31
        let behind = Int64(mixed % UInt64(jitterSeconds * 1000))
        return Timestamp(milliseconds: slot.milliseconds + behind)
    }
}
