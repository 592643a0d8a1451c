import Platform
import Shared

/// Which operations run here, each under which lease.
final class RunningOperations: Sendable {
    private struct Entry {
        let epoch: Int64
        let project: ProjectID?
        let progress: ProgressReporter
        let stop: StopSignal
        var fence: LeaseFence
    }

    private let entries = Locked([OperationID: Entry]())
    /// Rings when an operation has begun or ended.
    let changed: Bell

    init(changed: Bell) {
        self.changed = changed
    }

    var count: Int { entries.withLock { $0.count } }

    /// Notes that an operation begins.
    ///
    /// Under a guard nothing older works on the project (D7): its hub took those leases back before
    /// it gave this one out, and what still runs of them has not heard.
    ///
    /// - Returns: false when it runs already: then the older work is told that its lease is gone
    ///   where the new one is higher, and the new lease is left to run out.
    func begin(
        _ operation: LeasedOperation, fence: LeaseFence, progress: ProgressReporter,
        stop: StopSignal
    ) -> Bool {
        let project = operation.input["volume"]?["project"]?.text.flatMap { ProjectID($0) }
        return entries.withLock { entries -> Bool in
            if let project, let guardEpoch = operation.guardEpoch {
                for old in entries.values where old.project == project && old.epoch < guardEpoch {
                    old.stop.stop(.leaseLost)
                }
            }
            if let old = entries[operation.id] {
                if old.epoch < operation.epoch { old.stop.stop(.leaseLost) }
                return false
            }
            entries[operation.id] = Entry(
                epoch: operation.epoch, project: project, progress: progress, stop: stop,
                fence: fence)
            return true
        }
    }

    /// Notes that an operation has ended, whatever its outcome.
    func end(_ operation: OperationID) {
        entries.withLock { entries -> Void in entries[operation] = nil }
        changed.ring()
    }

    /// Whether an operation runs here.
    func contains(_ operation: OperationID) -> Bool {
        entries.withLock { $0[operation] != nil }
    }

    /// What a heartbeat lists.
    func held() -> [HeldLease] {
        entries.withLock { entries in
            entries.map {
                HeldLease(operation: $0, epoch: $1.epoch, progress: $1.progress.current)
            }
        }
    }

    /// Applies the answer of a heartbeat.
    func apply(_ answer: HeartbeatAnswer, to held: [HeldLease], sentAt: ContinuousClock.Instant) {
        let lost = Set(answer.lost)
        let canceled = Set(answer.canceled)
        entries.withLock { entries -> Void in
            for lease in held where entries[lease.operation]?.epoch == lease.epoch {
                if lost.contains(lease.operation) {
                    entries[lease.operation]?.stop.stop(.leaseLost)
                } else {
                    entries[lease.operation]?.fence.renew(sentAt: sentAt)
                }
                if canceled.contains(lease.operation) {
                    entries[lease.operation]?.stop.stop(.canceled)
                }
            }
        }
    }

    /// Stops what has not been renewed for two thirds of its lease.
    ///
    /// - Returns: which operations were told to stop.
    func expire(at now: ContinuousClock.Instant) -> [OperationID] {
        entries.withLock { entries in
            let expired = entries.filter { $1.fence.mustStop(at: now) }
            for entry in expired.values { entry.stop.stop(.leaseExpired) }
            return expired.map(\.key)
        }
    }

    /// When the next operation must stop unless it is renewed; nil when none runs.
    var nextExpiry: ContinuousClock.Instant? {
        entries.withLock { entries in entries.values.map(\.fence.stopsAt).min() }
    }
}
