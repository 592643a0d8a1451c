/// Decides when work must stop because its lease may be gone (D7).
///
/// The worker's own monotonic clock counts from when the request that renewed the lease was sent,
/// which is before the hub's clock began to count; and it stops at two thirds of the lease, so that
/// the work has ended before the hub gives it to somebody else.
public struct LeaseFence: Sendable, Equatable {
    /// When the request that renewed the lease last was sent.
    public private(set) var renewedAt: ContinuousClock.Instant
    /// How long a lease lasts.
    public let lease: Duration

    /// - Parameters:
    ///   - renewedAt: when the request was sent that the lease came with.
    ///   - lease: how long it lasts.
    public init(renewedAt: ContinuousClock.Instant, lease: Duration) {
        self.renewedAt = renewedAt
        self.lease = lease
    }

    /// A renewal that was answered; an answer that comes late does not take the lease back.
    public mutating func renew(sentAt: ContinuousClock.Instant) {
        renewedAt = max(renewedAt, sentAt)
    }

    /// When the work must have been told to stop.
    public var stopsAt: ContinuousClock.Instant { renewedAt.advanced(by: lease * 2 / 3) }

    /// Whether the work must stop.
    public func mustStop(at now: ContinuousClock.Instant) -> Bool { now >= stopsAt }
}
