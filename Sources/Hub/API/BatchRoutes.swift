import HTTP
import Postgres
import Shared

/// `/v1/batches`: the same work on many projects; `/v1/schedules`: work that recurs.
struct BatchRoutes: Sendable {
    let pool: PostgresPool
    let desk: OrderDesk
    let operations: OperationService
    let identifiers: Identifiers

    var routes: [Route] {
        [
            Route("GET", "/v1/batches", .admin, list),
            Route("POST", "/v1/batches", .admin, create),
            Route("GET", "/v1/batches/:operation", .admin, show),
            Route("POST", "/v1/batches/:operation/cancel", .admin, cancel),
            Route("GET", "/v1/schedules", .admin, listSchedules),
            Route("POST", "/v1/schedules", .admin, createSchedule),
            Route("GET", "/v1/schedules/:schedule", .admin, showSchedule),
            Route("PATCH", "/v1/schedules/:schedule", .admin, setSchedule),
            Route("DELETE", "/v1/schedules/:schedule", .admin, deleteSchedule),
        ]
    }

    // MARK: Batches

    private func create(_ context: RequestContext) async throws -> HTTPResponse {
        let body = try await context.decode(BatchRequest.self)
        let order = try BatchOrder(body.work)
        guard (1...GroupLimits.items).contains(body.limit ?? 1) else {
            throw Problem.invalidParameter("limit", "must be from 1 to 100000")
        }
        return try await desk.place(context, body: try JSON.encode(body)) { transaction in
            var query = try await ProjectQuery(body.filter, transaction)
            query.limit = body.limit ?? GroupLimits.items
            return .batch(order, query)
        }
    }

    private func list(_ context: RequestContext) async throws -> HTTPResponse {
        let limit = try context.limit()
        let before = try context.cursor(OperationIdentity.self)
        let items = try await operations.list(
            OperationFilter(kind: .batch), before: before, limit: limit)
        return try .json(
            Page(
                schema: "operation.list/1", items: items,
                nextCursor: items.count == limit ? items.last.map { "\($0.id)" } : nil))
    }

    private func show(_ context: RequestContext) async throws -> HTTPResponse {
        try .json(try await describe(try await resolve(context)))
    }

    private func cancel(_ context: RequestContext) async throws -> HTTPResponse {
        let id = try await resolve(context)
        _ = try await operations.cancel(id, by: context.author)
        return try .json(try await describe(id))
    }

    private func resolve(_ context: RequestContext) async throws -> OperationID {
        let reference = context.parameter("operation")
        return try await pool.withTransaction(retry: PostgresRetry()) { transaction in
            let id = try await RegistryReader(transaction).resolveOperation(reference)
            let body = try await OperationBodyReader(transaction).body(id)
            guard body?.kind.isGroup == true else {
                throw Problem.notFound("operation \(id) is no batch")
            }
            return id
        }
    }

    private func describe(_ id: OperationID) async throws -> BatchDescription {
        try await pool.withTransaction(retry: PostgresRetry()) { transaction in
            guard let operation = try await OperationReader(transaction).operation(id) else {
                throw Problem.notFound("operation \(id) is gone")
            }
            return BatchDescription(
                operation: operation, counts: try await GroupStore(transaction).counts(of: id))
        }
    }

    // MARK: Schedules

    private func listSchedules(_ context: RequestContext) async throws -> HTTPResponse {
        let limit = try context.limit()
        let after = context.request.queryValue("cursor") ?? ""
        let items = try await pool.withTransaction(retry: PostgresRetry()) { transaction in
            try await ScheduleStore(transaction).schedules(after: after, limit: limit)
        }
        return try .json(
            Page(
                schema: "schedule.list/1", items: items,
                nextCursor: items.count == limit ? items.last?.name : nil))
    }

    private func createSchedule(_ context: RequestContext) async throws -> HTTPResponse {
        let request = try await context.decode(CreateScheduleRequest.self)
        try Naming.check(request.name, what: "schedule")
        let key = try context.idempotencyKey()
        let fingerprint = context.fingerprint(of: try JSON.encode(request))
        let author = context.author
        let answer = try await pool.withTransaction(retry: PostgresRetry()) {
            transaction -> JSONValue in
            let keys = IdempotencyStore(transaction)
            if let key,
                case .answer(let earlier) = try await keys.take(
                    key, actor: author.actor, fingerprint: fingerprint)
            {
                return earlier
            }
            let id = try await desk(transaction, author).create(request)
            let made = try JSON.value(
                try await ScheduleStore(transaction).schedules(only: id).first)
            if let key { try await keys.complete(key, actor: author.actor, answer: made) }
            return made
        }
        return try .json(
            answer, status: 201, location: "/v1/schedules/\(answer["id"]?.text ?? "")")
    }

    private func showSchedule(_ context: RequestContext) async throws -> HTTPResponse {
        try await change(context) { _, _ in }
    }

    private func setSchedule(_ context: RequestContext) async throws -> HTTPResponse {
        let request = try await context.decode(SetScheduleRequest.self)
        return try await change(context) { desk, id in try await desk.set(id, request) }
    }

    private func deleteSchedule(_ context: RequestContext) async throws -> HTTPResponse {
        let reference = context.parameter("schedule")
        let author = context.author
        let gone = try await pool.withTransaction(retry: PostgresRetry()) { transaction in
            let id = try await RegistryReader(transaction).resolveSchedule(reference)
            let gone = try await ScheduleStore(transaction).schedules(only: id).first
            try await desk(transaction, author).delete(id)
            return gone
        }
        return try .json(gone)
    }

    private func change(
        _ context: RequestContext,
        _ body: @Sendable (ScheduleDesk, ScheduleID) async throws -> Void
    ) async throws -> HTTPResponse {
        let reference = context.parameter("schedule")
        let author = context.author
        let found = try await pool.withTransaction(retry: PostgresRetry()) { transaction in
            let id = try await RegistryReader(transaction).resolveSchedule(reference)
            try await body(desk(transaction, author), id)
            return try await ScheduleStore(transaction).schedules(only: id).first
        }
        return try .json(found)
    }

    private func desk(
        _ transaction: PostgresTransaction, _ author: RegistryWriter.Author
    ) -> ScheduleDesk {
        ScheduleDesk(transaction: transaction, author: author, identifiers: identifiers)
    }
}
