import Postgres
import Shared

/// A session of the hub's own: opened, and renewed for what it lists.
struct WorkerSession: Sendable {
    private let changes: ChangeRunner
    private let settings: OperationSettings
    private let rescue: OperationRescue

    init(_ changes: ChangeRunner, settings: OperationSettings, rescue: OperationRescue) {
        self.changes = changes
        self.settings = settings
        self.rescue = rescue
    }

    /// How often a session sends a heartbeat.
    var interval: Duration { min(settings.heartbeat, settings.lease / 3) }

    /// Opens a session; again is harmless.
    func open(_ session: SessionID) async throws {
        try await changes.run { change in
            let store = SessionStore(change.transaction)
            try await store.excuseAbsence(
                leaseMilliseconds: settings.lease.milliseconds, isStart: false)
            _ = try await store.open(
                session, host: nil, name: "hub", leaseMilliseconds: settings.lease.milliseconds)
        }
    }

    /// Renews the session's lease, names what it works on, and takes back what it does not.
    ///
    /// - Parameter moving: what moves although it does not say how far it is.
    /// - Throws: `Problem` `session-ended` when the session's lease ran out.
    func beat(
        _ session: SessionID, held leases: [HeldLease], moving: [OperationID] = []
    ) async throws {
        let stale = try await changes.run { change -> [OperationRescueStore.Stale]? in
            let store = SessionStore(change.transaction)
            try await store.commitsWithoutDisk()
            try await store.excuseAbsence(
                leaseMilliseconds: settings.lease.milliseconds, isStart: false)
            let isOpen = try await store.renew(
                session, host: nil, leaseMilliseconds: settings.lease.milliseconds)
            guard isOpen else { return nil }
            try await store.list(leases, session: session)
            try await store.keepMoving(moving, session: session)
            let progress = ProgressStore(change.transaction)
            try await progress.store(leases, session: session)
            try await progress.trim(leases, keeping: settings.progressKept)
            return try await OperationRescueStore(change.transaction).unlisted(
                session: session, milliseconds: interval.milliseconds)
        }
        guard let stale else { throw OperationProblem.sessionEnded }
        // What is listed is held, also where somebody else had the lease's row just then.
        let held = Set(leases.map { [$0.operation: $0.epoch] })
        for lease in stale where !held.contains([lease.operation: lease.epoch]) {
            try await rescue.takeBack(lease, unlistedMilliseconds: interval.milliseconds)
        }
    }
}
