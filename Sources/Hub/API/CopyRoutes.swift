import HTTP
import Postgres
import Shared

/// `/v1/copies`: paths on their way from one project into others.
struct CopyRoutes: Sendable {
    let pool: PostgresPool
    let desk: OrderDesk
    let operations: OperationService
    let vault: RepositoryVault

    var routes: [Route] {
        [
            Route("GET", "/v1/copies", .admin, list),
            Route("POST", "/v1/copies", .admin, create),
            Route("POST", "/v1/copies/:copy/cancel", .admin, cancel),
        ]
    }

    private func list(_ context: RequestContext) async throws -> HTTPResponse {
        let limit = try context.limit()
        let before = try context.cursor(CopyIdentity.self)
        var state: CopyState?
        if let text = context.request.queryValue("state") {
            guard let known = CopyState(rawValue: text) else {
                throw Problem.invalidParameter(
                    "state",
                    "must be one of "
                        + CopyState.allCases.map(\.rawValue).joined(separator: ", "))
            }
            state = known
        }
        let wanted = state
        let copies = try await pool.withTransaction { transaction in
            try await CopyReader(transaction).copies(state: wanted, before: before, limit: limit)
        }
        return try .json(
            Page(
                schema: "copy.list/1", items: copies,
                nextCursor: copies.count == limit ? copies.last.map { "\($0.id)" } : nil))
    }

    private func create(_ context: RequestContext) async throws -> HTTPResponse {
        let request = try await context.decode(CreateCopyRequest.self)
        guard (1...1000).contains(request.destinations.count) else {
            throw Problem.invalidParameter("destinations", "must name 1 to 1,000 projects")
        }
        let (source, destinations, backup) = try await pool.withTransaction { transaction in
            try await Self.resolve(request, transaction)
        }
        // A path that the named backup does not hold is refused before anything begins; of a
        // backup that has yet to be made only its making can tell.
        if let backup { try await vault.requirePath(request.path, in: backup) }
        return try await desk.place(context, body: try JSON.encode(request)) { _ in
            .copy(
                source,
                CopyOrder(
                    path: request.path, destinations: destinations,
                    destinationPath: request.destinationPath ?? request.path,
                    overwrite: request.overwrite, backup: backup))
        }
    }

    private static func resolve(
        _ request: CreateCopyRequest, _ transaction: PostgresTransaction
    ) async throws -> (ProjectID, [ProjectID], BackupReference?) {
        let reader = RegistryReader(transaction)
        let source = try await reader.resolveProject(request.source)
        var destinations: [ProjectID] = []
        for reference in request.destinations {
            let destination = try await reader.resolveProject(reference)
            if !destinations.contains(destination) { destinations.append(destination) }
        }
        guard let reference = request.backup else { return (source, destinations, nil) }
        return (
            source, destinations,
            try await BackupReader(transaction).reference(reference, of: source)
        )
    }

    private func cancel(_ context: RequestContext) async throws -> HTTPResponse {
        let reference = context.parameter("copy")
        let id = try await pool.withTransaction { transaction in
            try await RegistryReader(transaction).resolveCopy(reference)
        }
        try await operations.cancelCopy(id, by: context.author)
        let copy = try await pool.withTransaction { transaction in
            try await CopyReader(transaction).copy(id)
        }
        return try .json(copy)
    }
}
