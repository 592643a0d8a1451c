import HTTP
import Platform
import Postgres
import Shared

/// Takes requests to their routes: finds the route, authenticates, answers problems, logs once.
///
/// Default deny: what no route declares is 404, and a route without a fitting token is 401 or 403
/// before its handler sees anything.
struct Router: Sendable {
    private let routes: [Route]
    private let pool: PostgresPool
    private let logger: Logger
    private let identifiers: Identifiers
    private let principals: PrincipalCache

    init(
        routes: [Route], pool: PostgresPool, principals: PrincipalCache, logger: Logger,
        identifiers: Identifiers
    ) {
        self.routes = routes
        self.principals = principals
        self.pool = pool
        self.logger = logger
        self.identifiers = identifiers
    }

    /// Answers one request.
    func answer(_ request: HTTPRequest, _ body: HTTPBodyStream) async -> HTTPResponse {
        let id = identifiers.make(RequestIdentity.self)
        var response: HTTPResponse
        do {
            response = try await dispatch(request, body, id)
        } catch is CancellationError {
            response = refusal(
                Problem(
                    status: 503, code: "stopping", title: "The hub is stopping",
                    detail: "the request was given up", hint: "repeat it"), id)
        } catch {
            let problem = Problem(of: error)
            if problem.status >= 500 {
                logger.error(
                    "request failed",
                    [
                        "request": .string("\(id)"), "method": .string(request.method),
                        "path": .string(request.path), "error": .string("\(error)"),
                    ])
            }
            response = refusal(problem, id)
        }
        response.headers.append("X-Request-Id", "\(id)")
        return response
    }

    private func dispatch(
        _ request: HTTPRequest, _ body: HTTPBodyStream, _ id: RequestID
    ) async throws -> HTTPResponse {
        var methods: [String] = []
        for route in routes {
            guard let parameters = route.match(request.pathSegments) else { continue }
            guard route.method == request.method else {
                methods.append(route.method)
                continue
            }
            let principal = try await authenticate(request, for: route.access)
            return try await route.handler(
                RequestContext(
                    request: request, body: body, parameters: parameters, principal: principal,
                    id: id))
        }
        guard methods.isEmpty else {
            throw Problem(
                status: 405, code: "method-not-allowed", title: "The method is not allowed",
                detail: "\(request.path) takes \(methods.joined(separator: ", "))")
        }
        throw Problem.notFound("no such path: \(request.path.prefix(200))")
    }

    private func authenticate(
        _ request: HTTPRequest, for access: Access
    ) async throws -> TokenStore.Principal? {
        if access == .anyone { return nil }
        guard let header = request.headers["Authorization"], header.hasPrefix("Bearer "),
            header.utf8.count <= 256
        else { throw Problem.unauthorized }
        let hash = BearerToken.hash(of: String(header.dropFirst(7)))
        let principal = try await principal(hash, for: access)
        guard let principal else { throw Problem.unauthorized }
        switch (access, principal.kind) {
        case (.admin, .admin), (.host, .host), (.anyone, _): return principal
        case (.admin, _), (.host, _): throw Problem.forbidden
        }
    }

    private func principal(
        _ hash: [UInt8], for access: Access
    ) async throws -> TokenStore.Principal? {
        if access == .host, let known = principals.host(hash: hash) { return known }
        let turn = principals.turn
        let found = try await pool.withTransaction(retry: PostgresRetry()) { transaction in
            try await TokenStore(transaction).principal(hash: hash)
        }
        if let found { principals.keep(found, hash: hash, turn: turn) }
        return found
    }

    private func refusal(_ problem: Problem, _ id: RequestID) -> HTTPResponse {
        var problem = problem
        problem.requestID = "\(id)"
        // A problem is plain values, so that encoding it cannot fail; were it to, its title says
        // what matters.
        let bytes = (try? JSON.encode(problem)) ?? Array(problem.title.utf8)
        var headers: HTTPHeaders = ["Content-Type": "application/problem+json"]
        if problem.status == 503 { headers.append("Retry-After", "1") }
        if problem.status == 401 { headers.append("WWW-Authenticate", "Bearer") }
        return HTTPResponse(status: problem.status, headers: headers, body: .bytes(bytes))
    }
}
