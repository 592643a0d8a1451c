import HTTP
import Postgres
import Shared

/// `/v1/hosts/{host}/cordon`, `uncordon`, `drain`, `undrain`: whether projects are placed on a host,
/// and taking them all away.
struct DrainRoutes: Sendable {
    let pool: PostgresPool
    let desk: OrderDesk
    let operations: OperationService
    let identifiers: Identifiers

    var routes: [Route] {
        [
            Route("POST", "/v1/hosts/:host/cordon", .admin) { try await schedule($0, false) },
            Route("POST", "/v1/hosts/:host/uncordon", .admin) { try await schedule($0, true) },
            Route("POST", "/v1/hosts/:host/drain", .admin, drain),
            Route("POST", "/v1/hosts/:host/undrain", .admin, undrain),
            Route("GET", "/v1/operations/:operation/items", .admin, items),
        ]
    }

    private func schedule(
        _ context: RequestContext, _ isSchedulable: Bool
    ) async throws -> HTTPResponse {
        let reference = context.parameter("host")
        let author = try await author(of: context)
        let host = try await pool.withTransaction(retry: PostgresRetry()) { transaction in
            let host = try await RegistryReader(transaction).resolveHost(reference)
            let drain = try await HostReader(transaction).host(host)?.drain
            if isSchedulable, let drain { throw OperationProblem.draining(drain) }
            try await GroupCreation(transaction, author: author, identifiers: identifiers)
                .schedule(host, isSchedulable)
            return try await HostReader(transaction).host(host)
        }
        return try .json(host)
    }

    private func drain(_ context: RequestContext) async throws -> HTTPResponse {
        let body = try await context.decode(DrainRequest.self)
        let reference = context.parameter("host")
        try Self.check(body)
        if body.isDryRun {
            let plan = try await pool.withTransaction(retry: PostgresRetry()) { transaction in
                let (host, order) = try await Self.order(body, reference, transaction)
                return try await DrainPlanner(transaction).plan(order, host)
            }
            return try .json(plan)
        }
        return try await desk.place(context, body: try JSON.encode(body)) { transaction in
            let (host, order) = try await Self.order(body, reference, transaction)
            return .drain(host.id, order)
        }
    }

    /// Cancels the drain, if there is one, and lets projects be placed on the host again.
    private func undrain(_ context: RequestContext) async throws -> HTTPResponse {
        let reference = context.parameter("host")
        let author = try await author(of: context)
        let found = try await pool.withTransaction(retry: PostgresRetry()) { transaction in
            let host = try await RegistryReader(transaction).resolveHost(reference)
            return try await HostReader(transaction).host(host)
        }
        if let drain = found?.drain { _ = try await operations.cancel(drain, by: author) }
        let host = try await pool.withTransaction(retry: PostgresRetry()) { transaction in
            guard let id = found?.id else { return HostDescription?.none }
            try await GroupCreation(transaction, author: author, identifiers: identifiers)
                .schedule(id, true)
            return try await HostReader(transaction).host(id)
        }
        return try .json(host)
    }

    private func items(_ context: RequestContext) async throws -> HTTPResponse {
        let limit = try context.limit()
        let after = try context.cursor(ProjectIdentity.self)
        let reference = context.parameter("operation")
        var state: ItemState?
        if let text = context.request.queryValue("state") {
            guard let known = ItemState(rawValue: text) else {
                throw Problem.invalidParameter(
                    "state",
                    "must be one of " + ItemState.allCases.map(\.rawValue).joined(separator: ", "))
            }
            state = known
        }
        let items = try await pool.withTransaction(retry: PostgresRetry()) { [state] transaction in
            let id = try await RegistryReader(transaction).resolveOperation(reference)
            return try await GroupReader(transaction).items(
                of: id, state, after: after, limit: limit)
        }
        return try .json(
            Page(
                schema: "item.list/1", items: items,
                nextCursor: items.count == limit ? items.last.map { "\($0.project)" } : nil))
    }

    private func author(of context: RequestContext) async throws -> RegistryWriter.Author {
        var author = context.author
        let request = try await context.decode(AbandonRequest.self, limitBytes: 8192)
        guard (request.reason ?? "").utf8.count <= 1000 else {
            throw Problem.invalidParameter("reason", "must have at most 1,000 bytes")
        }
        author.reason = request.reason
        return author
    }

    private static func check(_ body: DrainRequest) throws {
        guard (1...GroupLimits.parallel).contains(body.maxParallel ?? 1) else {
            throw Problem.invalidParameter("maxParallel", "must be from 1 to 64")
        }
        guard (1...GroupLimits.tries).contains(body.tries ?? 1) else {
            throw Problem.invalidParameter("tries", "must be from 1 to 100")
        }
        guard (1...2_592_000).contains(body.deadlineSeconds ?? 1) else {
            throw Problem.invalidParameter("deadlineSeconds", "must be from 1 to 2592000")
        }
        guard body.targets.count <= 50 else {
            throw Problem.invalidParameter("targets", "must be at most 50 hosts")
        }
    }

    private static func order(
        _ body: DrainRequest, _ reference: String, _ transaction: PostgresTransaction
    ) async throws -> (HostDescription, DrainOrder) {
        let registry = RegistryReader(transaction)
        let id = try await registry.resolveHost(reference)
        guard let host = try await HostReader(transaction).host(id) else {
            throw OperationProblem.unknownHost(id)
        }
        if let named = body.acceptLoss, named != host.name {
            throw Problem(
                status: 409, code: "confirmation-needed", title: "The loss is not accepted",
                detail: "`acceptLoss` must be the host's name",
                hint: "berth host drain \(host.name) --accept-loss \(host.name)")
        }
        var order = DrainOrder()
        for target in body.targets { order.targets.append(try await registry.resolveHost(target)) }
        order.maxParallel = body.maxParallel ?? order.maxParallel
        order.tries = body.tries ?? order.tries
        order.acceptsLoss = body.acceptLoss != nil
        order.fromBackup = body.fromBackup || order.acceptsLoss
        order.leavesUnknown = body.leavesUnknown
        if let seconds = body.deadlineSeconds {
            let now = try await WorkflowFactsReader(transaction).now()
            order.deadline = Timestamp(milliseconds: now.milliseconds + seconds * 1000)
        }
        return (host, order)
    }
}

/// Reads items for people: one at work says what its operation waits for.
struct GroupReader: Sendable {
    private let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    func items(
        of parent: OperationID, _ state: ItemState?, after: ProjectID?, limit: Int
    ) async throws -> [ItemDescription] {
        var items = try await GroupStore(transaction).items(
            of: parent, state, after: after, limit: limit)
        let working = items.filter { $0.state == .running }.compactMap(\.operation)
        var found: [OperationID: OperationDescription] = [:]
        for operation in try await OperationReader(transaction).operations(working) {
            found[operation.id] = operation
        }
        for index in items.indices where items[index].state == .running {
            guard let operation = items[index].operation.flatMap({ found[$0] }) else { continue }
            items[index].reason = operation.waiting?.reason.rawValue ?? operation.phase
            items[index].sentence = operation.waiting?.sentence
            items[index].nextTryAt = operation.waiting?.nextTryAt
        }
        return items
    }
}
