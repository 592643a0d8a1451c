import Postgres
import Shared

/// Creates operations with many projects.
struct GroupCreation: Sendable {
    private let transaction: PostgresTransaction
    private let author: RegistryWriter.Author
    private let identifiers: Identifiers

    init(
        _ transaction: PostgresTransaction, author: RegistryWriter.Author, identifiers: Identifiers
    ) {
        self.transaction = transaction
        self.author = author
        self.identifiers = identifiers
    }

    /// Closes a host for new projects and begins to empty it, or finds the drain that does so
    /// already.
    ///
    /// - Throws: `Problem`.
    func drain(
        _ host: HostID, _ order: DrainOrder
    ) async throws -> (id: OperationID, isReplay: Bool) {
        guard let isSchedulable = try await DrainStore(transaction).lock(host),
            let description = try await HostReader(transaction).host(host)
        else { throw OperationProblem.unknownHost(host) }
        let input = try JSON.value(order)
        if let live = description.drain {
            let body = try await OperationBodyReader(transaction).body(live)
            if body?.input == input { return (live, true) }
            throw OperationProblem.draining(live)
        }
        if let refusal = try await DrainPlanner(transaction).refusal(of: order, description) {
            throw refusal
        }
        if isSchedulable { try await schedule(host, false) }
        let id = identifiers.make(OperationIdentity.self)
        try await create(
            NewOperation(
                id: id, kind: .drain, scopeKind: .host, scope: host.uuid, project: nil,
                lane: OperationBell.hub, input: input, createdBy: author.actor,
                reason: author.reason, request: author.request, root: id, dedupeKey: ""))
        return (id, false)
    }

    /// Opens or closes a host for new projects; nothing happens where it is so already.
    ///
    /// - Throws: `Problem` `host-not-found`.
    func schedule(_ host: HostID, _ isSchedulable: Bool) async throws {
        guard let now = try await DrainStore(transaction).lock(host) else {
            throw OperationProblem.unknownHost(host)
        }
        guard now != isSchedulable else { return }
        var writer = try await RegistryWriter(transaction, author: author)
        try await writer.record(
            .hostSchedulable(HostSchedulable(host: host, isSchedulable: isSchedulable)))
        try await writer.finish()
    }

    /// Begins the same work on all projects that a query finds.
    ///
    /// - Throws: `Problem` `nothing-matches`, `too-many`.
    func batch(_ order: BatchOrder, _ query: ProjectQuery) async throws -> OperationID {
        let id = identifiers.make(OperationIdentity.self)
        var query = query
        let limit = min(query.limit, GroupLimits.items)
        query.limit = limit
        let count = try await GroupStore(transaction).include(query, in: id)
        guard count > 0 else {
            throw Problem(
                status: 409, code: "nothing-matches", title: "Nothing matches",
                detail: "the filter finds no project", hint: "see berth project list")
        }
        try await create(
            NewOperation(
                id: id, kind: .batch, scopeKind: .fleet, scope: id.uuid, project: nil,
                lane: OperationBell.hub, input: try JSON.value(order), createdBy: author.actor,
                reason: author.reason, request: author.request, root: id))
        return id
    }

    private func create(_ new: NewOperation) async throws {
        guard try await OperationStore(transaction).create(new) else {
            throw HubError(.database, "the operation's live key is taken")
        }
    }
}

/// What a drain would do, and what refuses it.
struct DrainPlanner: Sendable {
    private let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    /// What would happen now.
    func plan(_ order: DrainOrder, _ host: HostDescription) async throws -> DrainPlan {
        var plan = try await DrainStore(transaction).plan(host, among: order.targets)
        plan.refusal = try await refusal(of: order, host)?.detail
        return plan
    }

    /// Why a drain would be refused: a host that cannot be reached may hold what nobody else has.
    func refusal(of order: DrainOrder, _ host: HostDescription) async throws -> Problem? {
        for target in order.targets {
            guard let found = try await HostReader(transaction).host(target) else {
                return OperationProblem.unknownHost(target)
            }
            if target == host.id { return OperationProblem.sameHost(found.name) }
            if found.isSchedulable == false { return OperationProblem.hostCordoned(found.name) }
        }
        switch host.state {
        case .ready, .troubled, .arriving, .expected: return nil
        case .silent: break
        }
        guard !order.fromBackup, !order.acceptsLoss else { return nil }
        let plan = try await DrainStore(transaction).plan(host, among: order.targets)
        guard plan.provisioned > 0 else { return nil }
        let seen = host.seenAt.map { "was last heard of at \($0)" } ?? "was never heard of"
        return Problem(
            status: 409, code: "source-offline", title: "The host cannot be reached",
            detail:
                "host \(host.name) \(seen): of \(plan.provisioned) projects with a volume there "
                + "\(plan.fresh) were backed up wholly, \(plan.exposed) would lose what changed "
                + "since their last backup, and \(plan.never) have no backup at all",
            hint: "bring it back; or --from-backup moves the first, and --accept-loss \(host.name) "
                + "all that have a backup", candidates: plan.atRisk)
    }
}
