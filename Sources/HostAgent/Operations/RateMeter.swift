/// How fast a phase goes: units per second, smoothed over 15 seconds.
///
/// Pure.
struct RateMeter: Sendable {
    private static let window = 15.0
    /// Samples closer than this are taken together.
    private static let interval = 0.25

    private let startedAt: ContinuousClock.Instant
    private var sampledAt: ContinuousClock.Instant
    private var sampled: Int64 = 0
    private var done: Int64 = 0
    /// Units per second; nil before there are two samples.
    private(set) var rate: Double?

    init(startedAt: ContinuousClock.Instant) {
        self.startedAt = startedAt
        sampledAt = startedAt
    }

    /// Takes note of how much is done now.
    mutating func advance(to done: Int64, at now: ContinuousClock.Instant) {
        self.done = done
        let seconds = sampledAt.duration(to: now) / .seconds(1)
        guard seconds >= Self.interval else { return }
        let current = Double(done - sampled) / seconds
        let weight = min(1, seconds / Self.window)
        rate = rate.map { $0 + weight * (current - $0) } ?? current
        sampled = done
        sampledAt = now
    }

    /// How long the rest takes; nil in the first 5 seconds, below 2 %, and when nothing moves.
    func remainingSeconds(total: Int64?, at now: ContinuousClock.Instant) -> Double? {
        guard let total, let rate, rate > 0, total > 0,
            startedAt.duration(to: now) >= .seconds(5), done * 50 >= total
        else { return nil }
        return Double(max(0, total - done)) / rate
    }
}
