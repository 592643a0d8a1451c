import Platform

/// How long a service waits after requests that failed one after another.
struct ServiceBackoff: Sendable {
    private let backoff: Backoff
    private var failures = 0
    private var random = Random()

    /// - Parameters:
    ///   - base: the first bound.
    ///   - cap: the largest bound.
    init(base: Duration = .milliseconds(200), cap: Duration = .seconds(15)) {
        backoff = Backoff(base: base, cap: cap)
    }

    /// Whether the last request failed.
    var isFailing: Bool { failures > 0 }

    /// A request succeeded.
    mutating func succeeded() { failures = 0 }

    /// A request failed; answers how long to wait before the next.
    mutating func failed() -> Duration {
        failures += 1
        return backoff.delay(afterAttempt: failures, using: &random)
    }
}
