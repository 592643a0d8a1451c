public import Platform

/// How often a transaction is run again that met a serialization failure (40001), a deadlock
/// (40P01), or the loss of its connection before its COMMIT was sent.
///
/// Nothing of it has happened then. No other failure is retried, and above all not a COMMIT whose
/// answer did not come.
public struct PostgresRetry: Sendable {
    /// How many times the transaction is run at most, 1 to 100.
    public let attempts: Int
    /// How long to wait before the next attempt.
    public let backoff: Backoff

    /// - Parameters:
    ///   - attempts: how many times the transaction is run at most, default 5.
    ///   - backoff: the waits, default 10 ms doubling up to 1 second, with full jitter.
    public init(
        attempts: Int = 5,
        backoff: Backoff = Backoff(base: .milliseconds(10), cap: .seconds(1))
    ) {
        self.attempts = min(max(1, attempts), 100)
        self.backoff = backoff
    }

    /// The transaction is run once.
    public static let none = PostgresRetry(attempts: 1)
}
