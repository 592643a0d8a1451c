/// When a wait in poll(2) has to end.
struct PollDeadline {
    private let end: ContinuousClock.Instant?

    /// A deadline `limit` from now; nil never comes.
    init(after limit: Duration?) {
        end = limit.map { ContinuousClock.now.advanced(by: $0) }
    }

    /// The earlier of both.
    init(_ first: PollDeadline, _ second: PollDeadline) {
        switch (first.end, second.end) {
        case (let one?, let other?): end = min(one, other)
        case (let one, let other): end = one ?? other
        }
    }

    var hasPassed: Bool {
        guard let end else { return false }
        return ContinuousClock.now >= end
    }

    /// What poll(2) takes: milliseconds, rounded up so that it does not spin, -1 for no limit.
    var pollMilliseconds: Int32 {
        guard let end else { return -1 }
        let rest = ContinuousClock.now.duration(to: end)
        return rest <= .zero ? 0 : Int32(clamping: rest.wholeMilliseconds)
    }
}

extension Duration {
    /// The duration in milliseconds, rounded up, at least 1.
    var wholeMilliseconds: Int64 {
        let (seconds, attoseconds) = components
        let (scaled, overflows) = seconds.multipliedReportingOverflow(by: 1000)
        if overflows { return .max }
        return max(1, scaled + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }
}
