/// Decides when an operation must stop because its lease may be gone (D7).
///
/// The agent's own monotonic clock counts from when the request that renewed the lease was sent,
/// which is before the hub's clock began to count; and it stops at two thirds of the lease, so that
/// the work has ended before the hub gives it to somebody else.
struct LeaseFence: Sendable, Equatable {
    /// When the request that renewed the lease last was sent.
    private(set) var renewedAt: ContinuousClock.Instant
    /// How long a lease lasts.
    let lease: Duration

    init(renewedAt: ContinuousClock.Instant, lease: Duration) {
        self.renewedAt = renewedAt
        self.lease = lease
    }

    /// A renewal that was answered; an answer that comes late does not take the lease back.
    mutating func renew(sentAt: ContinuousClock.Instant) {
        renewedAt = max(renewedAt, sentAt)
    }

    /// When the work must have been told to stop.
    var stopsAt: ContinuousClock.Instant { renewedAt.advanced(by: lease * 2 / 3) }

    /// Whether the work must stop.
    func mustStop(at now: ContinuousClock.Instant) -> Bool { now >= stopsAt }
}
