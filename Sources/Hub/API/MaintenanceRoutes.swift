import HTTP
import Postgres
import Repository
import Shared

/// Check, forget, prune, repair and rekey of a project's repository, by the hub alone.
struct MaintenanceRoutes: Sendable {
    let desk: OrderDesk
    let pool: PostgresPool
    let chores: RepositoryChores

    var routes: [Route] {
        [
            Route("POST", "/v1/projects/:project/check", .admin, check),
            Route("POST", "/v1/projects/:project/forget", .admin, forget),
            Route("POST", "/v1/projects/:project/prune", .admin, prune),
            Route("POST", "/v1/projects/:project/repair", .admin, repair),
            Route("POST", "/v1/projects/:project/rekey", .admin, rekey),
        ]
    }

    private func check(_ context: RequestContext) async throws -> HTTPResponse {
        let body = try await context.decode(CheckRequest.self)
        let reference = context.parameter("project")
        return try await desk.place(context, body: try JSON.encode(body)) { transaction in
            .check(try await RegistryReader(transaction).resolveProject(reference), body)
        }
    }

    private func forget(_ context: RequestContext) async throws -> HTTPResponse {
        let body = try await context.decode(ForgetRequest.self)
        try Self.validate(body)
        let reference = context.parameter("project")
        if body.isDryRun == true {
            return try await pool.withTransaction { transaction in
                let (project, order) = try await Self.order(body, reference, in: transaction)
                let backups = try await BackupReader(transaction).all(of: project)
                let now = try await WorkflowFactsReader(transaction).now()
                return try .json(
                    ForgetPlan(decisions: order.decisions(about: backups, now: now)))
            }
        }
        return try await desk.place(context, body: try JSON.encode(body)) { transaction in
            let (project, order) = try await Self.order(body, reference, in: transaction)
            try await Self.refusePinned(order, of: project, in: transaction)
            return .forget(project, order)
        }
    }

    private func prune(_ context: RequestContext) async throws -> HTTPResponse {
        let body = try await context.decode(PruneRequest.self)
        let reference = context.parameter("project")
        if body.isDryRun == true {
            let project = try await pool.withTransaction { transaction in
                try await RegistryReader(transaction).resolveProject(reference)
            }
            let plan = try await chores.planned(for: project)
            var result = PruneResult()
            (result.packs, result.bytes) = (plan.packs, plan.bytes)
            result.removedPacks = plan.marked.count
            result.reclaimedBytes = plan.reclaimableBytes
            result.repackedPacks = plan.repackedPacks
            return try .json(result)
        }
        return try await desk.place(context, body: try JSON.encode(body)) { transaction in
            .prune(try await RegistryReader(transaction).resolveProject(reference))
        }
    }

    private func repair(_ context: RequestContext) async throws -> HTTPResponse {
        let body = try await context.decode(RepairRequest.self)
        let reference = context.parameter("project")
        if body.isDryRun == true {
            let project = try await pool.withTransaction { transaction in
                try await RegistryReader(transaction).resolveProject(reference)
            }
            return try .json(try await chores.examined(for: project))
        }
        return try await desk.place(context, body: try JSON.encode(body)) { transaction in
            .repair(
                try await RegistryReader(transaction).resolveProject(reference),
                RepairOrder(acceptsLoss: body.acceptsLoss == true))
        }
    }

    private func rekey(_ context: RequestContext) async throws -> HTTPResponse {
        let body = try await context.decode(RekeyRequest.self)
        let reference = context.parameter("project")
        return try await desk.place(context, body: try JSON.encode(body)) { transaction in
            .rekey(
                try await RegistryReader(transaction).resolveProject(reference),
                RekeyOrder(removesOld: body.removesOld == true))
        }
    }

    private static func validate(_ body: ForgetRequest) throws {
        if let objection = body.policy?.objection {
            throw Problem.invalidParameter("policy", objection)
        }
        let named = body.backups ?? []
        guard body.policy != nil || !named.isEmpty, named.count <= 1_000 else {
            throw Problem.invalidParameter("backups", "name 1 to 1,000 backups, or give a policy")
        }
    }

    private static func order(
        _ body: ForgetRequest, _ reference: String, in transaction: PostgresTransaction
    ) async throws -> (ProjectID, ForgetOrder) {
        let registry = RegistryReader(transaction)
        let project = try await registry.resolveProject(reference)
        var order = ForgetOrder(policy: body.policy)
        for backup in body.backups ?? [] {
            order.backups.append(try await registry.resolveBackup(backup, of: project))
        }
        return (project, order)
    }

    /// A backup that was named and must not go is refused by name (D9).
    private static func refusePinned(
        _ order: ForgetOrder, of project: ProjectID, in transaction: PostgresTransaction
    ) async throws {
        for id in order.backups {
            guard let backup = try await BackupReader(transaction).backup(id),
                !backup.pins.isEmpty
            else { continue }
            throw Problem(
                status: 409, code: "backup-pinned", title: "The backup is needed",
                detail: "backup \(id) is pinned: \(backup.pins.joined(separator: ", "))",
                hint:
                    "it can be forgotten when those have ended; a base when a newer backup is made")
        }
    }
}
