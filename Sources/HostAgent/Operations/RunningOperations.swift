import Platform
import Shared

/// Which operations run here, each under which lease.
final class RunningOperations: Sendable {
    private struct Entry {
        let progress: ProgressReporter
        let stop: StopSignal
    }

    private struct State {
        var table = LeaseTable()
        var entries: [OperationID: Entry] = [:]
    }

    private let state = Locked(State())
    /// Rings when an operation has begun or ended.
    let changed: Bell

    init(changed: Bell) {
        self.changed = changed
    }

    var count: Int { state.withLock { $0.entries.count } }

    /// Notes that an operation begins, and stops what must not go on beside it.
    ///
    /// - Returns: false when it runs already.
    func begin(
        _ operation: LeasedOperation, fence: LeaseFence, progress: ProgressReporter,
        stop: StopSignal
    ) -> Bool {
        let project = operation.input["volume"]?["project"]?.text.flatMap { ProjectID($0) }
        return state.withLock { state -> Bool in
            let admission = state.table.begin(
                operation.id, epoch: operation.epoch, guardEpoch: operation.guardEpoch,
                project: project, fence: fence)
            for lost in admission.lost { state.entries[lost]?.stop.stop(.leaseLost) }
            guard admission.begins else { return false }
            state.entries[operation.id] = Entry(progress: progress, stop: stop)
            return true
        }
    }

    /// Notes that an operation has ended, whatever its outcome.
    func end(_ operation: OperationID) {
        state.withLock { state -> Void in
            state.table.end(operation)
            state.entries[operation] = nil
        }
        changed.ring()
    }

    /// Whether an operation runs here.
    func contains(_ operation: OperationID) -> Bool {
        state.withLock { $0.entries[operation] != nil }
    }

    /// What a heartbeat lists.
    func held() -> [HeldLease] {
        state.withLock { state in
            state.table.leases.map {
                HeldLease(
                    operation: $0, epoch: $1.epoch,
                    progress: state.entries[$0]?.progress.taken())
            }
        }
    }

    /// Whether there is progress that no heartbeat has listed.
    var hasNewProgress: Bool {
        state.withLock { $0.entries.values.contains { $0.progress.isNew } }
    }

    /// Applies the answer of a heartbeat.
    func apply(_ answer: HeartbeatAnswer, to held: [HeldLease], sentAt: ContinuousClock.Instant) {
        state.withLock { state -> Void in
            for stop in state.table.apply(answer, to: held, sentAt: sentAt) {
                state.entries[stop.operation]?.stop.stop(stop.reason)
            }
        }
    }

    /// Stops what has not been renewed for two thirds of its lease.
    ///
    /// - Returns: which operations were told to stop.
    func expire(at now: ContinuousClock.Instant) -> [OperationID] {
        state.withLock { state in
            let expired = state.table.expired(at: now)
            for operation in expired { state.entries[operation]?.stop.stop(.leaseExpired) }
            return expired
        }
    }

    /// When the next operation must stop unless it is renewed; nil when none runs.
    var nextExpiry: ContinuousClock.Instant? { state.withLock { $0.table.nextExpiry } }
}
