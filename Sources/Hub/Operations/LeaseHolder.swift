import Platform
import Postgres
import Shared

/// A session of a hub's worker and the leases that it works on: heartbeats, and the fence that stops
/// the work when the lease may be gone.
///
/// Opens one session after another; one ends only when its lease could not be renewed for two thirds
/// of it, and with it all that is worked on: what the hub does in a bucket must not go on when
/// another hub may do the same.
struct LeaseHolder: Sendable {
    /// The leases that this process works on now.
    final class Leases: Sendable {
        private let held = Locked<[OperationID: Int64]>([:])

        init() {}

        var count: Int { held.withLock { $0.count } }

        var all: [HeldLease] {
            held.withLock { held in
                held.map { HeldLease(operation: $0.key, epoch: $0.value) }
            }
        }

        func take(_ claimed: [ClaimedOperation]) {
            held.withLock { held in
                for operation in claimed { held[operation.id] = operation.epoch }
            }
        }

        /// Forgets all; only when nothing of them is worked on any more.
        func clear() { held.withLock { $0 = [:] } }

        func drop(_ operation: OperationID, epoch: Int64) {
            held.withLock { held in
                if held[operation] == epoch { held[operation] = nil }
            }
        }
    }

    let interval: Duration
    let lease: Duration
    let identifiers: Identifiers
    let log: Logger
    let leases = Leases()
    /// Opens a session.
    let open: @Sendable (SessionID) async throws -> Void
    /// Renews it for what is listed.
    let beat: @Sendable (SessionID, [HeldLease]) async throws -> Void

    /// Works under a session for as long as it holds, and then under the next.
    func run(_ work: @escaping @Sendable (SessionID) async throws -> Void) async throws {
        var random = Random()
        var failures = 0
        let backoff = Backoff(base: .milliseconds(100), cap: .seconds(5))
        while !Task.isCancelled {
            do {
                try await hold(identifiers.make(SessionIdentity.self), work)
                failures = 0
            } catch is CancellationError {
                return
            } catch {
                failures += 1
                log.warning(
                    "a worker lost its session", ["error": LogValue(describing: error)])
            }
            try await Task.sleep(
                for: backoff.delay(afterAttempt: max(1, failures), using: &random))
        }
    }

    private func hold(
        _ session: SessionID, _ work: @escaping @Sendable (SessionID) async throws -> Void
    ) async throws {
        // What the session before was interrupted at is not held any more.
        leases.clear()
        let fence = Locked(LeaseFence(renewedAt: .now, lease: lease))
        try await open(session)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await beat(session, fence) }
            group.addTask { try await work(session) }
            group.addTask { try await watch(fence) }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private func beat(_ session: SessionID, _ fence: Locked<LeaseFence>) async throws {
        while true {
            try await Task.sleep(for: interval)
            let sentAt = ContinuousClock.now
            do {
                try await beat(session, leases.all)
                fence.withLock { $0.renew(sentAt: sentAt) }
            } catch let error as PostgresError {
                log.warning(
                    "the hub's heartbeat failed", ["error": LogValue(describing: error)])
            }
        }
    }

    /// Ends the session when its lease may be gone, whatever the others wait for.
    private func watch(_ fence: Locked<LeaseFence>) async throws {
        while true {
            let stopsAt = fence.withLock { $0.stopsAt }
            try await ContinuousClock().sleep(until: stopsAt)
            if fence.withLock({ $0.mustStop(at: .now) }) {
                throw HubError(
                    .database, "the lease of the hub's session could not be renewed in time")
            }
        }
    }
}
