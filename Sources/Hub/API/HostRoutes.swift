import HTTP
import Postgres
import Shared

/// `/v1/hosts`: enrolment, lists, and the test of the way to a host.
struct HostRoutes: Sendable {
    let pool: PostgresPool
    let desk: OrderDesk
    let identifiers: Identifiers
    /// What join tokens carry.
    let addresses: [String]
    let fingerprint: String

    /// How long a join token works.
    private static let joinTokenSeconds = 600

    var routes: [Route] {
        [
            Route("GET", "/v1/hosts", .admin, list),
            Route("POST", "/v1/hosts/enrolments", .admin, enroll),
            Route("GET", "/v1/hosts/:host", .admin, show),
            Route("POST", "/v1/hosts/:host/check", .admin, check),
        ]
    }

    private func list(_ context: RequestContext) async throws -> HTTPResponse {
        let limit = try context.limit()
        let after = context.request.queryValue("cursor") ?? ""
        let hosts = try await pool.withTransaction(retry: PostgresRetry()) { transaction in
            try await HostReader(transaction).hosts(after: after, limit: limit)
        }
        return try .json(
            Page(
                schema: "host.list/1", items: hosts,
                nextCursor: hosts.count == limit ? hosts.last?.name : nil))
    }

    private func show(_ context: RequestContext) async throws -> HTTPResponse {
        let reference = context.parameter("host")
        let host = try await pool.withTransaction(retry: PostgresRetry()) { transaction in
            let id = try await RegistryReader(transaction).resolveHost(reference)
            return try await HostReader(transaction).host(id)
        }
        return try .json(host)
    }

    /// Names a host, or takes one again that is expected or lost its identity, and makes a join
    /// token for it.
    private func enroll(_ context: RequestContext) async throws -> HTTPResponse {
        let request = try await context.decode(CreateEnrolmentRequest.self)
        try Naming.check(request.name, what: "host")
        let token = BearerToken(new: .join)
        let author = context.author
        let host = try await pool.withTransaction(retry: PostgresRetry()) { transaction -> HostID in
            let store = HostStore(transaction)
            let tokens = TokenStore(transaction)
            let host: HostID
            if let known = try await store.host(named: request.name) {
                host = known
            } else {
                host = identifiers.make(HostIdentity.self)
                var writer = try await RegistryWriter(transaction, author: author)
                try await writer.record(
                    .hostExpected(
                        HostExpected(
                            host: host, name: request.name, region: request.region ?? "default")))
                try await writer.finish()
            }
            try await tokens.revoke(kind: .join, host: host)
            try await tokens.insert(
                id: identifiers.make(TokenIdentity.self), kind: .join, hash: token.hash,
                name: request.name, host: host, lifetimeSeconds: Self.joinTokenSeconds)
            return host
        }
        let written = try JoinToken(
            hubs: addresses, fingerprint: fingerprint, secret: token.text
        ).written()
        let now = identifiers.currentTime
        return try .json(
            CreateEnrolmentAnswer(
                host: host, name: request.name, joinToken: written,
                expiresAt: Timestamp(
                    milliseconds: now.milliseconds + Int64(Self.joinTokenSeconds) * 1000)),
            status: 201)
    }

    private func check(_ context: RequestContext) async throws -> HTTPResponse {
        let reference = context.parameter("host")
        return try await desk.place(context, body: []) { transaction in
            .hostCheck(try await RegistryReader(transaction).resolveHost(reference))
        }
    }
}
