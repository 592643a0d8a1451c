import HTTP
import Postgres
import Shared

/// `/v1/projects`: making and looking at projects.
struct ProjectRoutes: Sendable {
    let pool: PostgresPool
    let identifiers: Identifiers

    var routes: [Route] {
        [
            Route("GET", "/v1/projects", .admin, list),
            Route("POST", "/v1/projects", .admin, create),
            Route("GET", "/v1/projects/:project", .admin, show),
        ]
    }

    private func list(_ context: RequestContext) async throws -> HTTPResponse {
        var query = try ProjectQuery(of: context)
        let hostReference = context.request.queryValue("host")
        let found = try await pool.withTransaction(retry: PostgresRetry()) { transaction in
            if let hostReference {
                query.host = try await RegistryReader(transaction).resolveHost(hostReference)
            }
            return try await ProjectReader(transaction).projects(query)
        }
        return try .json(
            Page(schema: "project.list/1", items: found.projects, nextCursor: found.nextCursor))
    }

    private func show(_ context: RequestContext) async throws -> HTTPResponse {
        let reference = context.parameter("project")
        let project = try await pool.withTransaction(retry: PostgresRetry()) { transaction in
            let id = try await RegistryReader(transaction).resolveProject(reference)
            return try await ProjectReader(transaction).project(id)
        }
        return try .json(project)
    }

    private func create(_ context: RequestContext) async throws -> HTTPResponse {
        let request = try await context.decode(CreateProjectRequest.self)
        try Naming.check(request.name, what: "project")
        let runtime = request.runtime ?? RuntimeDescription(command: [])
        try Self.check(runtime)
        let author = context.author
        let owner = request.owner ?? author.actor
        let id = identifiers.make(ProjectIdentity.self)
        let key = try context.idempotencyKey()
        let fingerprint = context.fingerprint(of: try JSON.encode(request))
        let answer = try await pool.withTransaction(retry: PostgresRetry()) {
            transaction -> JSONValue in
            let keys = IdempotencyStore(transaction)
            if let key,
                case .answer(let earlier) = try await keys.take(
                    key, actor: author.actor, fingerprint: fingerprint)
            {
                return earlier
            }
            let (host, region) = try await Self.place(request.host, transaction)
            let store = ProjectStore(transaction)
            guard try await store.project(named: request.name) == nil else {
                throw Problem(
                    status: 409, code: "project-exists", title: "The name is taken",
                    detail: "a project called \(request.name) exists",
                    hint: "see berth project show \(request.name)")
            }
            let user = try await store.allocateUser()
            var writer = try await RegistryWriter(transaction, author: author)
            try await writer.record(
                .projectCreated(
                    ProjectCreated(
                        project: id, name: request.name, owner: owner, region: region, uid: user,
                        gid: user, runtime: runtime, host: host)))
            try await writer.finish()
            let project = try JSON.value(try await ProjectReader(transaction).project(id))
            if let key { try await keys.complete(key, actor: author.actor, answer: project) }
            return project
        }
        return try .json(
            answer, status: 201, location: "/v1/projects/\(answer["id"]?.text ?? "")")
    }

    /// The host that was asked for, or the ready one with the most room.
    private static func place(
        _ reference: String?, _ transaction: PostgresTransaction
    ) async throws -> (HostID, String) {
        let host: HostID
        if let reference {
            host = try await RegistryReader(transaction).resolveHost(reference)
        } else if let roomiest = try await HostStore(transaction).roomiest() {
            host = roomiest
        } else {
            throw Problem(
                status: 409, code: "no-host", title: "There is no host for the project",
                detail: "no enrolled host is ready to take a project",
                hint: "enroll one with berth host enroll NAME, or see berth host list")
        }
        guard let found = try await HostStore(transaction).place(host) else {
            throw RegistryConflict(description: "host \(host) was removed")
        }
        guard found.isOpen else { throw OperationProblem.hostCordoned(found.name) }
        return (host, found.region)
    }

    private static func check(_ runtime: RuntimeDescription) throws {
        guard (1...3600).contains(runtime.stopGraceSeconds) else {
            throw Problem.invalidParameter("runtime.stopGraceSeconds", "must be from 1 to 3600")
        }
        let size = (runtime.command + runtime.environment.flatMap { [$0, $1] })
            .reduce(0) { $0 + $1.utf8.count }
        guard size <= 65_536, runtime.command.count <= 1000 else {
            throw Problem.invalidParameter(
                "runtime", "must have at most 1,000 words and 64 KiB in all")
        }
        guard (runtime.command + Array(runtime.environment.keys)).allSatisfy({ !$0.contains("\0") })
        else { throw Problem.invalidParameter("runtime", "must not hold NUL") }
    }
}
