import Shared

/// Which operations run on a host, each under which lease, and which of them have to stop (D7):
/// pure.
struct LeaseTable: Sendable {
    /// A lease that is worked under.
    struct Lease: Sendable {
        let epoch: Int64
        let project: ProjectID?
        var fence: LeaseFence
    }

    /// What an operation finds that is about to begin.
    struct Admission: Sendable, Equatable {
        /// Whether it begins; otherwise it runs already, and the new lease is left to run out.
        var begins: Bool
        /// What is told that its lease is gone.
        var lost: [OperationID]
    }

    private(set) var leases: [OperationID: Lease] = [:]

    /// Notes that an operation begins.
    ///
    /// Under a guard nothing older works on the project: its hub took those leases back before it
    /// gave this one out, and what still runs of them has not heard. An older lease of the same
    /// operation is gone too.
    mutating func begin(
        _ operation: OperationID, epoch: Int64, guardEpoch: Int64?, project: ProjectID?,
        fence: LeaseFence
    ) -> Admission {
        var lost: [OperationID] = []
        if let project, let guardEpoch {
            lost = leases.filter { $1.project == project && $1.epoch < guardEpoch }.keys.sorted()
        }
        if let old = leases[operation] {
            if old.epoch < epoch, !lost.contains(operation) { lost.append(operation) }
            return Admission(begins: false, lost: lost)
        }
        leases[operation] = Lease(epoch: epoch, project: project, fence: fence)
        return Admission(begins: true, lost: lost)
    }

    /// Notes that an operation has ended, whatever its outcome.
    mutating func end(_ operation: OperationID) {
        leases[operation] = nil
    }

    /// Applies the answer of a heartbeat that listed `held` and was sent at `sentAt`.
    ///
    /// - Returns: what has to stop, and why.
    mutating func apply(
        _ answer: HeartbeatAnswer, to held: [HeldLease], sentAt: ContinuousClock.Instant
    ) -> [(operation: OperationID, reason: StopReason)] {
        let lost = Set(answer.lost)
        let canceled = Set(answer.canceled)
        var stops: [(operation: OperationID, reason: StopReason)] = []
        for lease in held where leases[lease.operation]?.epoch == lease.epoch {
            if lost.contains(lease.operation) {
                stops.append((lease.operation, .leaseLost))
            } else {
                leases[lease.operation]?.fence.renew(sentAt: sentAt)
            }
            if canceled.contains(lease.operation) { stops.append((lease.operation, .canceled)) }
        }
        return stops
    }

    /// What has not been renewed for two thirds of its lease.
    func expired(at now: ContinuousClock.Instant) -> [OperationID] {
        leases.filter { $1.fence.mustStop(at: now) }.keys.sorted()
    }

    /// When the next operation must stop unless it is renewed; nil when none runs.
    var nextExpiry: ContinuousClock.Instant? { leases.values.map(\.fence.stopsAt).min() }
}
