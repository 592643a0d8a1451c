import HTTP
import Postgres
import Shared

/// What can be done with a project: each of these makes an operation.
struct WorkRoutes: Sendable {
    let desk: OrderDesk
    let pool: PostgresPool
    let vault: RepositoryVault

    var routes: [Route] {
        [
            Route("POST", "/v1/projects/:project/start", .admin) { context in
                try await order(context) { project, _ in .start(project) }
            },
            Route("POST", "/v1/projects/:project/stop", .admin) { context in
                try await order(context) { project, _ in .stop(project) }
            },
            Route("POST", "/v1/projects/:project/audit", .admin) { context in
                try await order(context) { project, _ in
                    .backup(project, BackupOrder(isAudit: true))
                }
            },
            Route("POST", "/v1/projects/:project/backup", .admin) { context in
                try await order(context) { project, _ in .backup(project, BackupOrder()) }
            },
            Route("POST", "/v1/projects/:project/move", .admin, move),
            Route("POST", "/v1/projects/:project/restore", .admin, restore),
            Route("POST", "/v1/projects/:project/import", .admin, importTree),
            Route("POST", "/v1/projects/:project/execute", .admin, execute),
            Route("DELETE", "/v1/projects/:project", .admin, delete),
        ]
    }

    /// An order without a body.
    private func order(
        _ context: RequestContext,
        _ make: @escaping @Sendable (ProjectID, PostgresTransaction) async throws -> OperationOrder
    ) async throws -> HTTPResponse {
        let reference = context.parameter("project")
        return try await desk.place(context, body: []) { transaction in
            let project = try await RegistryReader(transaction).resolveProject(reference)
            return try await make(project, transaction)
        }
    }

    /// An order with a body.
    private func order<Body: Codable & Sendable>(
        _ context: RequestContext, _ type: Body.Type,
        _ make:
            @escaping @Sendable (ProjectID, Body, PostgresTransaction) async throws
            -> OperationOrder
    ) async throws -> HTTPResponse {
        let body = try await context.decode(type)
        let reference = context.parameter("project")
        return try await desk.place(context, body: try JSON.encode(body)) { transaction in
            let project = try await RegistryReader(transaction).resolveProject(reference)
            return try await make(project, body, transaction)
        }
    }

    private func move(_ context: RequestContext) async throws -> HTTPResponse {
        try await order(context, MoveRequest.self) { project, body, transaction in
            let target = try await RegistryReader(transaction).resolveHost(body.host)
            return .move(project, MoveOrder(target: target, acceptLoss: body.acceptLoss))
        }
    }

    private func restore(_ context: RequestContext) async throws -> HTTPResponse {
        let body = try await context.decode(RestoreRequest.self)
        let reference = context.parameter("project")
        let (project, backup) = try await pool.withTransaction { transaction in
            let project = try await RegistryReader(transaction).resolveProject(reference)
            return (
                project, try await BackupReader(transaction).reference(body.backup, of: project)
            )
        }
        if body.path != nil, body.isPartial ?? body.isDryRun ?? body.isFromNothing ?? false {
            throw Problem.invalidParameter(
                "path", "is for one path; isPartial, isDryRun and isFromNothing are for a project")
        }
        if body.isDryRun ?? false {
            let (backup, base) = try await pool.withTransaction { transaction in
                let reader = BackupReader(transaction)
                return (
                    try await reader.backup(backup.id), try await reader.observedBase(of: project)
                )
            }
            guard let backup else {
                throw RegistryConflict(description: "a backup was forgotten meanwhile")
            }
            let isFromNothing = body.isFromNothing ?? false
            return try .json(
                try await vault.plan(backup, onto: isFromNothing ? nil : base))
        }
        // A path that the backup does not hold is refused before anything begins.
        if let path = body.path { try await vault.requirePath(path, in: backup) }
        return try await desk.place(context, body: try JSON.encode(body)) { _ in
            .restore(
                project,
                RestoreOrder(
                    backup: backup, path: body.path, destination: body.destination,
                    overwrite: body.overwrite, isFromNothing: body.isFromNothing,
                    isPartial: body.isPartial))
        }
    }

    private func importTree(_ context: RequestContext) async throws -> HTTPResponse {
        try await order(context, ImportRequest.self) { project, body, _ in
            guard body.directory.hasPrefix("/"), !body.directory.contains("\0"),
                body.directory.utf8.count <= 4096
            else {
                throw Problem.invalidParameter(
                    "directory", "must be an absolute path on the project's host")
            }
            return .importTree(project, body)
        }
    }

    private func execute(_ context: RequestContext) async throws -> HTTPResponse {
        try await order(context, ExecuteRequest.self) { project, body, _ in
            guard !body.command.isEmpty, body.command.count <= 1000,
                body.command.reduce(0, { $0 + $1.utf8.count }) <= 65_536,
                body.command.allSatisfy({ !$0.contains("\0") })
            else {
                throw Problem.invalidParameter(
                    "command", "must have 1 to 1,000 words without NUL and at most 64 KiB")
            }
            guard (1...86_400).contains(body.timeoutSeconds ?? 600) else {
                throw Problem.invalidParameter("timeoutSeconds", "must be from 1 to 86400")
            }
            return .execute(project, body)
        }
    }

    private func delete(_ context: RequestContext) async throws -> HTTPResponse {
        try await order(context, DeleteProjectRequest.self) { project, body, transaction in
            let name = try await ProjectReader(transaction).project(project)?.name
            guard body.confirm == name else {
                throw Problem(
                    status: 409, code: "confirmation-needed",
                    title: "The deletion is not confirmed",
                    detail: "`confirm` must be the project's name",
                    hint: "berth project delete \(name ?? "NAME") --confirm \(name ?? "NAME")")
            }
            return .delete(project)
        }
    }
}
