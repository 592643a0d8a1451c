import Platform
import Postgres
import Shared

/// Durable operations: everything slow happens by them.
///
/// What the API and the agents' routes call.
struct OperationService: Sendable {
    let pool: PostgresPool
    let bell: OperationBell
    let settings: OperationSettings
    let identifiers: Identifiers
    private let log: Logger
    private let changes: ChangeRunner
    private let agents: AgentLeases
    private let rescue: OperationRescue
    /// What watches operations for streams.
    let watch: OperationWatch
    private let idle: IdleAgents

    init(
        pool: PostgresPool, bell: OperationBell, settings: OperationSettings,
        identifiers: Identifiers, log: Logger
    ) {
        self.pool = pool
        self.bell = bell
        self.settings = settings
        self.identifiers = identifiers
        self.log = log
        changes = ChangeRunner(pool: pool, bell: bell, bucketPatience: settings.bucketPatience)
        rescue = OperationRescue(changes, settings: settings, log: log)
        watch = OperationWatch(pool: pool, log: log)
        idle = IdleAgents(pool: pool, bell: bell, settings: settings)
        agents = AgentLeases(changes, settings: settings, rescue: rescue)
    }

    /// What has to run beside the API: the workflows, the sweep, and the bell to other hubs.
    ///
    /// - Parameters:
    ///   - database: where the bell listens.
    ///   - chores: what works on repositories.
    ///   - hasPath: whether a backup holds a path.
    func services(
        database: PostgresOptions, chores: @escaping WorkflowRunner.ChoreWork,
        hasPath: @escaping WorkflowRunner.PathLookup
    ) -> [any Service] {
        [
            WorkflowRunner(
                changes, settings: settings, identifiers: identifiers, log: log,
                hasPath: hasPath, chores: chores),
            rescue, watch, idle,
            LaneWatch(pool: pool, bell: bell, pause: settings.poll, log: log),
            ScheduleService(changes, identifiers: identifiers, log: log),
            WakeUpRelay(pool: pool, bell: bell, database: database, log: log),
        ]
    }

    /// What has to be there before anything is asked for.
    ///
    /// What hosts could not do without a hub is forgiven before anybody judges them.
    func prepare() async throws {
        try await changes.run { change in
            try await SessionStore(change.transaction).excuseAbsence(
                leaseMilliseconds: settings.lease.milliseconds, isStart: true)
        }
        try await rescue.makeDays()
    }

    /// Creates an operation, or answers the live one that is the same.
    ///
    /// - Throws: `Problem`: `project-busy` (409) naming the operation that holds the project,
    ///   `project-not-found`, `same-host`, `source-offline`, `host-offline`, `host-not-found`,
    ///   `no-volume`, `no-backup`.
    func create(
        _ order: OperationOrder, by author: RegistryWriter.Author
    ) async throws -> CreatedOperation {
        let created = try await pool.withTransaction(retry: PostgresRetry()) { transaction in
            try await create(order, by: author, in: transaction)
        }
        announce(order)
        return created
    }

    /// The same within the caller's transaction, which calls `announce` after its commit.
    func create(
        _ order: OperationOrder, by author: RegistryWriter.Author,
        in transaction: PostgresTransaction
    ) async throws -> CreatedOperation {
        let (id, isReplay) = try await OperationCreation(
            transaction, author: author, identifiers: identifiers
        ).create(order)
        guard let operation = try await OperationReader(transaction).operation(id) else {
            throw HubError(.database, "operation \(id) is not there although it was created")
        }
        return CreatedOperation(operation: operation, isReplay: isReplay)
    }

    /// Whether this hub is about to end: streams should too.
    var isClosed: Bool { bell.isClosed }

    /// Wakes who waits for what was ordered; only after a commit.
    func announce(_ order: OperationOrder) {
        var lane = OperationBell.hub
        if case .hostCheck(let host) = order { lane = host.uuid }
        bell.ring([lane])
    }

    // MARK: Agents; the host comes from the request's token

    /// Opens a session: ends the host's earlier ones first.
    ///
    /// - Throws: `Problem` 409 `ledger-quarantined`.
    func openSession(
        _ request: OpenSessionRequest, host: HostID
    ) async throws -> OpenSessionAnswer {
        do {
            let answer = try await agents.open(request, host: host)
            idle.opened(by: host)
            return answer
        } catch let problem as Problem where problem.code == "ledger-quarantined" {
            try await quarantine(request.ledger, host, problem)
            throw problem
        }
    }

    /// Gives out work; waits for it without a database connection.
    ///
    /// - Throws: `Problem` 409 `session-ended`.
    func lease(_ request: LeaseRequest, host: HostID) async throws -> LeaseAnswer {
        try await idle.poll(request, host: host) { request in
            try await agents.lease(request, host: host)
        }
    }

    /// Renews the session's lease.
    ///
    /// - Throws: `Problem` 409 `session-ended`.
    func heartbeat(_ request: HeartbeatRequest, host: HostID) async throws -> HeartbeatAnswer {
        switch try await idle.beat(request, host: host) {
        case .renewed(let head): return HeartbeatAnswer(canceled: [], lost: [], logHead: head)
        case .single: return try await agents.heartbeat(request, host: host)
        }
    }

    /// Applies a batch of reports, exactly once and in order (D8).
    ///
    /// - Parameter applied: told afterwards what was new.
    /// - Throws: `Problem` 409 `ledger-quarantined`.
    func applyReports(
        _ request: ReportsRequest, host: HostID, applied: ([Report]) -> Void = { _ in }
    ) async throws -> ReportsAnswer {
        do {
            let reports = ReportApplication(changes, log: log)
            return try await reports.apply(request, host: host, applied: applied)
        } catch let problem as Problem where problem.code == "ledger-quarantined" {
            try await quarantine(request.ledger, host, problem)
            throw problem
        }
    }

    private func quarantine(_ ledger: LedgerID, _ host: HostID, _ problem: Problem) async throws {
        log.error(
            "an agent's ledger was quarantined",
            ["host": "\(host)", "ledger": "\(ledger)", "reason": "\(problem.detail)"])
        try await pool.withTransaction { transaction in
            try await InboxStore(transaction).quarantine(
                ledger, of: host, reason: problem.detail)
        }
    }

    /// Checks a lease and keeps it until the transaction ends (D7).
    ///
    /// - Throws: `Problem` 409 `lease-lost`.
    func fence(
        _ operation: OperationID, epoch: Int64, host: HostID, in transaction: PostgresTransaction
    ) async throws -> FencedOperation {
        try await agents.fence(operation, epoch: epoch, host: host, in: transaction)
    }

    // MARK: People

    /// Asks an operation to stop (D14).
    ///
    /// - Returns: how it stands now; nil when there is no such operation. One that has ended is
    ///   left as it is.
    /// - Throws: `Problem` 409 `too-late` behind the point of no return.
    func cancel(
        _ operation: OperationID, by author: RegistryWriter.Author
    ) async throws -> OperationDescription? {
        try await changes.run(author: author) { change in
            let bodies = OperationBodyReader(change.transaction)
            guard let body = try await bodies.body(operation) else { return }
            try await OperationStore(change.transaction).lockTrees([body.root])
            try await OperationCancellation.request(body, by: author.actor, in: &change)
        }
        return try await describe(operation)
    }

    /// Ends an operation whatever it does, with all its parts; nothing is undone.
    ///
    /// - Returns: how it stands now; nil when there is no such operation.
    func abandon(
        _ operation: OperationID, by author: RegistryWriter.Author
    ) async throws -> OperationDescription? {
        try await changes.run(author: author) { change in
            let bodies = OperationBodyReader(change.transaction)
            guard let body = try await bodies.body(operation) else { return }
            var trees: Set<OperationID> = [body.root]
            if body.kind.isGroup {
                // Its items' operations are trees of their own.
                let items = try await GroupStore(change.transaction).atWork(of: body.id)
                trees.formUnion(items.filter { $0.isOwn && $0.outcome == nil }.map(\.operation))
            }
            try await OperationStore(change.transaction).lockTrees(trees)
            try await OperationAbandonment.run(body, by: author, in: &change)
        }
        log.warning(
            "an operation was abandoned",
            ["operation": "\(operation)", "actor": "\(author.actor)"])
        return try await describe(operation)
    }

    /// Changes a limit while work goes on.
    ///
    /// - Parameter places: nil takes it away; where the configuration has one, that holds again.
    /// - Returns: the limit; nil when there is none now.
    func changeLimit(
        _ resource: String, places: Int?, by author: RegistryWriter.Author
    ) async throws -> LimitDescription? {
        let limits = OperationLimits(changes)
        if let places {
            try await limits.set(resource, places: places, by: author)
        } else {
            var fallback: Int?
            if resource == "kind:move" { fallback = settings.moves }
            if resource.hasPrefix("host:"), resource.hasSuffix(":backup") {
                fallback = settings.backupsPerHost
            }
            if resource.hasPrefix("host:"), resource.hasSuffix(":restore") {
                fallback = settings.restoresPerHost
            }
            _ = try await limits.unset(resource, fallback: fallback, by: author)
        }
        return try await pool.withTransaction { transaction in
            try await LimitStore(transaction).list().first { $0.resource == resource }
        }
    }

    /// Cancels a copy that has not ended.
    ///
    /// - Throws: `Problem` 404 `copy-not-found`, 409 `copy-ended`.
    func cancelCopy(_ copy: CopyID, by author: RegistryWriter.Author) async throws {
        try await changes.run(author: author) { change in
            try await OperationCancellation.request(copy, by: author.actor, in: &change)
        }
    }

    /// One operation with its attempts and children.
    func describe(_ operation: OperationID) async throws -> OperationDescription? {
        try await pool.withTransaction { transaction in
            try await OperationReader(transaction).operation(operation)
        }
    }

    /// A page of operations, newest first.
    ///
    /// - Parameters:
    ///   - before: the last operation of the page before; nil for the first page.
    ///   - limit: 1 to 1,000.
    func list(
        _ filter: OperationFilter, before: OperationID?, limit: Int
    ) async throws -> [OperationDescription] {
        try await pool.withTransaction { transaction in
            try await OperationReader(transaction).operations(
                filter, before: before, limit: min(max(limit, 1), 1000))
        }
    }

    /// Drains and batches that have not ended, newest first.
    func groups(limit: Int) async throws -> [OperationDescription] {
        try await pool.withTransaction { transaction in
            let reader = OperationReader(transaction)
            return try await reader.operations(try await reader.liveGroups(limit: limit))
        }
    }

    /// How many operations stand where.
    func counts() async throws -> OperationCounts {
        try await pool.withTransaction { transaction in
            try await OperationReader(transaction).counts()
        }
    }

    /// The kept progress messages of an operation and its children behind a position, oldest first,
    /// and whether others are held back because one may still come before them.
    func progress(
        of operation: OperationID, after position: ProgressPosition
    ) async throws -> (entries: [ProgressEntry], isHeldBack: Bool) {
        try await pool.withTransaction { transaction in
            try await ProgressStore(transaction).entries(of: operation, after: position)
        }
    }

    /// Whether messages behind a position were kept once and are not any more.
    func hasTrimmed(
        _ operation: OperationID, since position: ProgressPosition
    ) async throws -> Bool {
        try await pool.withTransaction { transaction in
            try await ProgressStore(transaction).hasTrimmed(
                operation, since: position.sequence)
        }
    }

    /// Waits until the operation has ended, or the time is over, and says how it stands.
    func waitForTerminal(
        _ operation: OperationID, atMost limit: Duration
    ) async throws -> OperationDescription? {
        let deadline = ContinuousClock.now + limit
        while true {
            let ticket = bell.ticket(OperationBell.ended)
            let hasEnded = try await pool.withTransaction { transaction in
                try await OperationCancelStore(transaction).hasEnded(operation)
            }
            let rest = deadline - .now
            if hasEnded || rest <= .zero || bell.isClosed { return try await describe(operation) }
            try await bell.wait(
                OperationBell.ended, after: ticket, atMost: min(settings.poll, rest))
        }
    }
}
