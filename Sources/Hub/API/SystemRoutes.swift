import HTTP
import Postgres
import Shared

/// What the server is, whether it lives, its CA, and logging in.
struct SystemRoutes: Sendable {
    let pool: PostgresPool
    let identifiers: Identifiers
    let timeline: TimelineID
    let authorityPEM: [UInt8]
    let schemaNumber: Int
    let metrics: @Sendable () -> String

    /// The program's version.
    static let version = "0.1.0"

    var routes: [Route] {
        [
            Route("GET", "/v1", .admin, describe),
            Route("GET", "/v1/ca.pem", .anyone, authority),
            Route("POST", "/v1/login", .anyone, login),
            Route("GET", "/version", .anyone) { _ in try .json(["version": Self.version]) },
            Route("GET", "/livez", .anyone) { _ in HTTPResponse(status: 200, body: .text("ok\n")) },
            Route("GET", "/readyz", .anyone, ready),
            Route("GET", "/metrics", .admin) { _ in
                HTTPResponse(
                    status: 200, headers: ["Content-Type": "text/plain; version=0.0.4"],
                    body: .text(metrics()))
            },
        ]
    }

    private func describe(_ context: RequestContext) async throws -> HTTPResponse {
        try .json(
            ServerDescription(
                version: Self.version, timeline: timeline, schemaNumber: schemaNumber,
                features: ["operations", "copies", "events", "gateway-grants", "directory-buckets"])
        )
    }

    /// The CA's certificate: public; a client compares its fingerprint before it trusts it.
    private func authority(_ context: RequestContext) async throws -> HTTPResponse {
        HTTPResponse(
            status: 200, headers: ["Content-Type": "application/x-pem-file"],
            body: .bytes(authorityPEM))
    }

    private func ready(_ context: RequestContext) async throws -> HTTPResponse {
        _ = try await pool.withTransaction(retry: PostgresRetry()) { transaction in
            try await HubRowStore(transaction).row()
        }
        return HTTPResponse(status: 200, body: .text("ready\n"))
    }

    /// Exchanges the first admin token, which works once, or an admin token for a new admin token.
    private func login(_ context: RequestContext) async throws -> HTTPResponse {
        let request = try await context.decode(LoginRequest.self, limitBytes: 4096)
        guard (1...63).contains(request.name.utf8.count) else {
            throw Problem.invalidParameter("name", "must have 1 to 63 characters")
        }
        let hash = BearerToken.hash(of: request.token)
        let token = BearerToken(new: .admin)
        let id = identifiers.make(TokenIdentity.self)
        let isKnown = try await pool.withTransaction(retry: PostgresRetry()) {
            transaction -> Bool in
            let tokens = TokenStore(transaction)
            if try await tokens.consume(hash: hash, kind: .bootstrap) == nil {
                guard try await tokens.principal(hash: hash)?.kind == .admin else { return false }
            }
            try await tokens.insert(
                id: id, kind: .admin, hash: token.hash, name: request.name, host: nil,
                lifetimeSeconds: nil)
            return true
        }
        guard isKnown else {
            throw Problem(
                status: 401, code: "token-unusable", title: "The token cannot be used",
                detail: "the token is unknown, expired, or was used before",
                hint: "make a new one on the hub's machine: berth-hub token create")
        }
        return try .json(LoginAnswer(token: token.text, name: request.name), status: 201)
    }
}
