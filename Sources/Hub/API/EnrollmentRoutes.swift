import HTTP
import Postgres
import Shared

/// `/v1/agent/enroll`: a host's join token for its identity.
struct EnrollmentRoutes: Sendable {
    let pool: PostgresPool
    let identifiers: Identifiers
    let timeline: TimelineID

    var routes: [Route] {
        [Route("POST", "/v1/agent/enroll", .anyone, enroll)]
    }

    /// Uses the join token up and gives the host a new identity; an earlier one ends.
    private func enroll(_ context: RequestContext) async throws -> HTTPResponse {
        let request = try await context.decode(EnrollRequest.self, limitBytes: 4096)
        let hash = BearerToken.hash(of: request.secret)
        let token = BearerToken(new: .host)
        let id = identifiers.make(TokenIdentity.self)
        let requestID = context.id
        let principal = try await pool.withTransaction(retry: PostgresRetry()) {
            transaction -> TokenStore.Principal? in
            let tokens = TokenStore(transaction)
            guard let principal = try await tokens.consume(hash: hash, kind: .join),
                let host = principal.host
            else { return nil }
            try await tokens.revoke(kind: .host, host: host)
            try await tokens.insert(
                id: id, kind: .host, hash: token.hash, name: principal.name, host: host,
                lifetimeSeconds: nil)
            var writer = try await RegistryWriter(
                transaction,
                author: RegistryWriter.Author(actor: principal.name, request: requestID))
            try await writer.record(
                .hostEnrolled(HostEnrolled(host: host, ledger: request.ledger)))
            try await writer.finish()
            return principal
        }
        guard let principal, let host = principal.host else {
            throw Problem(
                status: 401, code: "join-token-unusable", title: "The join token cannot be used",
                detail: "the join token is unknown, older than ten minutes, or was used before",
                hint: "make a new one with berth host enroll NAME")
        }
        return try .json(
            EnrollAnswer(
                host: host, name: principal.name, token: token.text, timeline: timeline),
            status: 201)
    }
}
