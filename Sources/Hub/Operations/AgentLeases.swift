import Platform
import Postgres
import Shared

/// Sessions and leases of host agents.
struct AgentLeases: Sendable {
    private let changes: ChangeRunner
    private let settings: OperationSettings
    private let turns: FleetTurns
    private let limits: OperationLimits
    private let rescue: OperationRescue

    init(
        _ changes: ChangeRunner, settings: OperationSettings, rescue: OperationRescue
    ) {
        self.changes = changes
        self.settings = settings
        limits = OperationLimits(changes)
        turns = FleetTurns(pause: settings.turnPause)
        self.rescue = rescue
    }

    /// Opens a session: ends the host's earlier ones, whose operations are claimable at once.
    func open(_ request: OpenSessionRequest, host: HostID) async throws -> OpenSessionAnswer {
        let opened = try await changes.run {
            change -> (OpenSessionAnswer, [OperationRescueStore.Stale]) in
            let transaction = change.transaction
            let inbox = InboxStore(transaction)
            var ledger = try await inbox.accept(request.ledger, of: host)
            try await HistoryRecovery(transaction).compare(request, host: host, &ledger)
            let sessions = SessionStore(transaction)
            let isOpen = try await sessions.open(
                request.session, host: host, name: ledger.hostName,
                leaseMilliseconds: settings.lease.milliseconds)
            guard isOpen else { throw OperationProblem.sessionEnded }
            try await sessions.endOthers(of: host, than: request.session)
            let answer = OpenSessionAnswer(
                host: host, timeline: try await HistoryStore(transaction).current(),
                leaseMilliseconds: settings.lease.milliseconds,
                heartbeatMilliseconds: settings.heartbeat.milliseconds,
                appliedReport: ledger.applied,
                logHead: try await HistoryStore(transaction).head())
            return (answer, try await OperationRescueStore(transaction).ended(of: host))
        }
        try await limits.setDefault(
            "host:\(host.uuid):backup", places: settings.backupsPerHost)
        try await limits.setDefault(
            "host:\(host.uuid):restore", places: settings.restoresPerHost)
        for lease in opened.1 { try await rescue.takeBack(lease) }
        return opened.0
    }

    /// Gives out work; the same request gets the same answer.
    ///
    /// Waits without a connection.
    func lease(_ request: LeaseRequest, host: HostID) async throws -> LeaseAnswer {
        let limit = min(max(request.capacity, 1), 100)
        let wait = Duration.milliseconds(min(max(request.waitMilliseconds, 0), 60_000))
        let deadline = ContinuousClock.now + wait
        while true {
            let ticket = changes.bell.ticket(host.uuid)
            // Work is better given out by a hub that stays.
            if changes.bell.isClosed { return LeaseAnswer(operations: []) }
            let answer = try await claim(request, host: host, limit: limit)
            let rest = deadline - .now
            if !answer.operations.isEmpty || rest <= .zero { return answer }
            try await changes.bell.wait(host.uuid, after: ticket, atMost: min(settings.poll, rest))
        }
    }

    private func claim(
        _ request: LeaseRequest, host: HostID, limit: Int
    ) async throws -> LeaseAnswer {
        try await changes.run { change in
            let sessions = SessionStore(change.transaction)
            guard
                let open = try await sessions.lock(
                    request.session, host: host, knowing: request.logHead)
            else { throw OperationProblem.sessionEnded }
            let holder = OperationClaim.Holder(
                session: request.session, request: request.request)
            let given = try await OperationClaim(change.transaction).given(to: holder)
            if !given.isEmpty {
                try await renew(request.session, host, sessions)
                return answer(given)
            }
            if open.isAwaited { return LeaseAnswer(operations: []) }
            let claimed = try await turns.turns(of: host.uuid).claim(
                limit: limit, holder: holder, in: change.transaction)
            guard !claimed.isEmpty else { return LeaseAnswer(operations: []) }
            try await markApplying(claimed, in: &change)
            try await renew(request.session, host, sessions)
            return answer(claimed)
        }
    }

    /// An agent counts the lease of what it is given from when it asked, and the database must not
    /// count from an earlier heartbeat (D7).
    private func renew(
        _ session: SessionID, _ host: HostID, _ sessions: SessionStore
    ) async throws {
        _ = try await sessions.renew(
            session, host: host, leaseMilliseconds: settings.lease.milliseconds)
    }

    private func answer(_ claimed: [ClaimedOperation]) -> LeaseAnswer {
        LeaseAnswer(
            operations: claimed.map {
                LeasedOperation(
                    id: $0.id, kind: $0.kind, epoch: $0.epoch, guardEpoch: $0.guardEpoch,
                    attempt: $0.attempt, input: $0.input)
            })
    }

    /// Copies that are now being applied say so.
    private func markApplying(
        _ claimed: [ClaimedOperation], in change: inout Change
    ) async throws {
        for operation in claimed {
            guard let copy = operation.copy,
                let destination = try await CopyStore(change.transaction).pendingDestination(copy)
            else { continue }
            try await change.record(
                .copyChanged(
                    CopyChanged(
                        copy: copy, destination: destination, state: .applying, failure: nil)))
        }
    }

    /// Renews the session's lease for all that it lists, and takes back what it does not.
    func heartbeat(_ request: HeartbeatRequest, host: HostID) async throws -> HeartbeatAnswer {
        let interrupted = request.interrupted ?? []
        guard request.held.count <= 1000, interrupted.count <= 1000 else {
            throw Problem(
                status: 400, code: "invalid-parameter", title: "A parameter is wrong",
                detail: "held and interrupted must list at most 1,000 operations each")
        }
        let interval = settings.heartbeat.milliseconds
        let (answer, stale) = try await changes.run {
            change -> (HeartbeatAnswer, [OperationRescueStore.Stale]) in
            let sessions = SessionStore(change.transaction)
            try await sessions.commitsWithoutDisk()
            let history = HistoryStore(change.transaction)
            if let head = request.logHead, try await !history.knows(head) {
                // The database went back in time: what that means is found out as it opens anew.
                throw OperationProblem.sessionEnded
            }
            let isOpen = try await sessions.renew(
                request.session, host: host, leaseMilliseconds: settings.lease.milliseconds)
            guard isOpen else { throw OperationProblem.sessionEnded }
            try await sessions.observe(host, request.status)
            try await sessions.list(request.held, session: request.session)
            let progress = ProgressStore(change.transaction)
            try await progress.store(request.held, session: request.session)
            try await progress.trim(request.held, keeping: settings.progressKept)
            let answer = HeartbeatAnswer(
                canceled: try await sessions.canceled(session: request.session),
                lost: try await sessions.lost(request.held, session: request.session),
                ended: try await sessions.ended(interrupted, host: host),
                logHead: try await history.head())
            let stale = try await OperationRescueStore(change.transaction).unlisted(
                session: request.session, milliseconds: interval)
            return (answer, stale)
        }
        // What it lists is held, also where somebody else had the lease's row just then.
        let held = Dictionary(
            request.held.map { ($0.operation, $0.epoch) }, uniquingKeysWith: { max($0, $1) })
        for var lease in stale where held[lease.operation] != lease.epoch {
            // An earlier run of the same operation has not stopped yet: nothing was tried.
            lease.isTry = held[lease.operation] == nil
            try await rescue.takeBack(lease, unlistedMilliseconds: interval)
        }
        return answer
    }

    /// Checks a lease and keeps it until the transaction ends (D7).
    func fence(
        _ operation: OperationID, epoch: Int64, host: HostID, in transaction: PostgresTransaction
    ) async throws -> FencedOperation {
        guard
            let body = try await OperationBodyReader(transaction).fenced(
                operation, epoch: epoch, host: host)
        else { throw OperationProblem.leaseLost }
        return FencedOperation(
            id: body.id, kind: body.kind, root: body.root, host: host, project: body.project,
            input: body.input)
    }
}
