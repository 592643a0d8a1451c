import Platform
import Postgres
import Shared

/// Ends operations and takes leases back.
///
/// Everything here happens under the lock of the operation's tree.
struct OperationCompletion: Sendable {
    /// What became of an outcome.
    enum Effect: Sendable, Equatable {
        case ended(OperationState)
        /// It is tried again later.
        case delayed
        /// The lease is lost: nothing changed (D7).
        case lost
    }

    /// Ends an operation that is in none of the live tables any more: the commit point of its
    /// outcome.
    ///
    /// Wakes its parent, or those who wait for its project.
    ///
    /// - Parameter lease: the last one, where it ended as the operation does; else it is kept by
    ///   itself.
    static func end(
        _ body: OperationBody, epoch: Int64?, lease: EndedLease? = nil, _ tries: OperationTries,
        _ ending: OperationEnding, in change: inout Change
    ) async throws {
        let transitions = OperationTransitions(change.transaction)
        if body.isRoot {
            for pin in try await OperationBodyReader(change.transaction).pins(of: body.id) {
                try await change.record(.pinReleased(pin))
            }
        }
        if let copy = body.copy {
            try await CopyEnding.applied(copy, by: body, ending, in: &change)
        }
        try await transitions.end(body.id, epoch: epoch, lease: lease, tries, ending)
        change.lanes.insert(OperationBell.ended)
        if let parent = body.parent {
            // Another tree's root: held until its step is over, so that its parking is not missed.
            if body.isRoot { try await OperationStore(change.transaction).share(parent) }
            try await change.wake(parent)
        }
        if let project = body.project, body.isRoot || body.copy != nil {
            change.lanes.formUnion(try await transitions.wakeGuarded(project))
        }
        // Its place may be what others wait for.
        change.lanes.insert(body.lane)
    }

    /// Applies the outcome that the holder of a lease reports, fenced by its epoch.
    static func finish(
        _ body: OperationBody, epoch: Int64, _ ending: OperationEnding, in change: inout Change
    ) async throws -> Effect {
        let transitions = OperationTransitions(change.transaction)
        guard var lease = try await transitions.leaveRun(body.id, epoch: epoch) else {
            return .lost
        }
        var final = ending
        if case .failed(let failure) = ending {
            if lease.isExcused, failure.code == "hub-unreachable" {
                lease.tries = lease.tries.uncounted
            }
            let verdict = LeaseVerdict.failed(
                failure, attempt: lease.tries.count, maxAttempts: body.maxAttempts,
                isCanceled: try await OperationBodyReader(change.transaction).isCanceled(body.id))
            if case .isCanceled(let isConfirmed) = verdict {
                final = .canceled(isConfirmed: isConfirmed)
            } else if try await BucketParking.take(body, lease.tries, failure, in: &change) {
                try await transitions.keep(lease, of: body.id, ending: ending.word)
                try await letCopyWait(body, in: &change)
                return .delayed
            } else if verdict == .triesAgain {
                try await transitions.keep(lease, of: body.id, ending: ending.word)
                try await retry(body, lease.tries, failure, in: &change)
                return .delayed
            }
        }
        try await end(body, epoch: epoch, lease: lease, lease.tries, final, in: &change)
        if case .succeeded = final { try await BucketParking.succeeded(body, in: &change) }
        return .ended(final.state)
    }

    /// Ends a workflow as it decided; the caller has locked its lease.
    static func conclude(
        _ body: OperationBody, epoch: Int64, _ ending: OperationEnding, in change: inout Change
    ) async throws {
        let transitions = OperationTransitions(change.transaction)
        let lease = try await transitions.leaveRun(body.id, epoch: epoch)
        try await end(
            body, epoch: epoch, lease: lease, lease?.tries ?? .none, ending, in: &change)
    }

    /// Lets it be tried again after a pause.
    private static func retry(
        _ body: OperationBody, _ tries: OperationTries, _ failure: Failure,
        in change: inout Change
    ) async throws {
        let transitions = OperationTransitions(change.transaction)
        var random = Random()
        let pause = OperationPolicy.of(body.kind).backoff
            .delay(afterAttempt: tries.count, using: &random)
        try await transitions.delay(
            body.id, tries, milliseconds: pause.milliseconds, reason: .backoff,
            sentence: "attempt \(tries.count) of \(body.maxAttempts) failed: \(failure.message)")
        if !body.kind.isWorkflow { try await transitions.releaseSlots(of: body.id) }
        try await letCopyWait(body, in: &change)
        change.lanes.insert(body.lane)
    }

    /// A copy whose application nobody works on any more is pending again.
    private static func letCopyWait(_ body: OperationBody, in change: inout Change) async throws {
        guard let copy = body.copy,
            let destination = try await CopyStore(change.transaction).applyingDestination(copy)
        else { return }
        try await change.record(
            .copyChanged(
                CopyChanged(copy: copy, destination: destination, state: .pending, failure: nil)))
    }

    /// Lets a workflow be tried again whose step failed; a cancel does not end it, because it has
    /// to undo what it did.
    static func giveBack(
        _ body: OperationBody, epoch: Int64, _ failure: Failure, in change: inout Change
    ) async throws {
        let transitions = OperationTransitions(change.transaction)
        guard let lease = try await transitions.leaveRun(body.id, epoch: epoch) else { return }
        if lease.tries.count < body.maxAttempts {
            try await transitions.keep(lease, of: body.id, ending: failure.code)
            try await retry(body, lease.tries, failure, in: &change)
        } else {
            try await stopChildren(of: body, in: &change)
            try await end(
                body, epoch: epoch, lease: lease, lease.tries, .failed(failure), in: &change)
        }
    }

    /// Asks the children of a workflow to stop that is given up: nobody would hear of them.
    private static func stopChildren(
        of body: OperationBody, in change: inout Change
    ) async throws {
        // The operations of a group are whole in themselves: they go on.
        guard !body.kind.isGroup else { return }
        let children = try await WorkflowStore(change.transaction).children(of: body.id)
        for child in children where child.outcome == nil {
            guard
                let child = try await OperationBodyReader(change.transaction).body(child.id)
            else { continue }
            try await OperationCancellation.request(child, by: "hub", in: &change)
        }
    }

    /// Takes a lease back that its holder does not keep up: claimable again, or ended when nobody
    /// wants it any more or it has been tried often enough.
    ///
    /// - Parameter isTry: whether the lease counts as one of its tries.
    static func takeBack(
        _ body: OperationBody, epoch: Int64, reason: String, isTry: Bool = true,
        in change: inout Change
    ) async throws -> Effect {
        let transitions = OperationTransitions(change.transaction)
        guard var lease = try await transitions.leaveRun(body.id, epoch: epoch) else {
            return .lost
        }
        try await transitions.keep(
            lease, of: body.id, ending: isTry ? reason : "waiting: earlier-run")
        if !isTry || lease.isExcused { lease.tries = lease.tries.uncounted }
        let attempt = lease.tries.count
        let verdict = LeaseVerdict.takenBack(
            isWorkflow: body.kind.isWorkflow, attempt: attempt, maxAttempts: body.maxAttempts,
            isCanceled: try await OperationBodyReader(change.transaction).isCanceled(body.id))
        if case .isCanceled(let isConfirmed) = verdict {
            try await end(
                body, epoch: epoch, lease.tries, .canceled(isConfirmed: isConfirmed), in: &change)
            return .ended(.canceled)
        }
        if !body.kind.isWorkflow { try await transitions.releaseSlots(of: body.id) }
        if verdict == .fails {
            let failure = Failure(
                code: reason,
                message: "\(body.kind.rawValue) was given up after \(attempt) "
                    + "attempt\(attempt == 1 ? "" : "s"): its worker did not keep the lease",
                hint: "see the host's agent log")
            try await stopChildren(of: body, in: &change)
            try await end(body, epoch: epoch, lease.tries, .failed(failure), in: &change)
            return .ended(.failed)
        }
        try await letCopyWait(body, in: &change)
        change.lanes.insert(
            try await transitions.makeReady(
                body.id, lease.tries, note: reason == "lease-lost" ? .leaseLost : nil))
        return .delayed
    }
}
