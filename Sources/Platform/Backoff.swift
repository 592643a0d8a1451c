/// How long to wait before the next attempt: exponential from `base`, never above `cap`, with full
/// jitter, so that many that failed together do not come back together.
public struct Backoff: Sendable, Equatable {
    /// The wait's upper bound before the second attempt.
    public let base: Duration
    /// The wait's upper bound for every later attempt.
    public let cap: Duration
    /// Fixed waits of the first attempts, which come before the exponential ones.
    public let first: [Duration]

    /// - Parameters:
    ///   - base: the first exponential bound, default 1 second.
    ///   - cap: the largest bound, default 60 seconds.
    ///   - first: exact waits before the exponential ones, such as none, 5 and 10 seconds.
    public init(
        base: Duration = .seconds(1), cap: Duration = .seconds(60), first: [Duration] = []
    ) {
        self.base = base
        self.cap = cap
        self.first = first
    }

    /// The wait after the failure of an attempt, with the kernel's random numbers.
    ///
    /// - Parameter attempt: which attempt failed, counted from 1.
    /// - Returns: the fixed wait, or a value between zero and the bound of this attempt.
    public func delay(afterAttempt attempt: Int) -> Duration {
        var random = Random()
        return delay(afterAttempt: attempt, using: &random)
    }

    /// The wait after the failure of an attempt.
    ///
    /// - Parameters:
    ///   - attempt: which attempt failed, counted from 1.
    ///   - random: where the jitter comes from.
    /// - Returns: the fixed wait, or a value between zero and the bound of this attempt.
    public func delay(
        afterAttempt attempt: Int, using random: inout some RandomNumberGenerator
    ) -> Duration {
        let index = max(0, attempt - 1)
        if index < first.count { return first[index] }
        let limit = bound(exponent: index - first.count)
        // 53 random bits: one draw for any generator, where `Double.random` may reject and repeat.
        return limit * (Double(random.next() >> 11) * 0x1p-53)
    }

    /// The bound that jitter stays below: `base` doubled `exponent` times, at most `cap`.
    func bound(exponent: Int) -> Duration {
        var bound = min(base, cap)
        for _ in 0..<exponent where bound < cap { bound = min(bound * 2, cap) }
        return bound
    }
}
