import HTTP
import Shared

/// Who may call a route.
enum Access: Sendable, Hashable {
    /// Without a token: the route checks what it is given, or tells nothing.
    case anyone
    /// An operator.
    case admin
    /// The agent of a host; it reaches its own host only.
    case host
}

/// One entry of the API: what is called how, by whom, and what does it.
struct Route: Sendable {
    let method: String
    /// Segments; one that begins with `:` takes any segment, `*` at the end takes the rest.
    let pattern: [String]
    let access: Access
    let handler: @Sendable (RequestContext) async throws -> HTTPResponse

    init(
        _ method: String, _ path: String, _ access: Access,
        _ handler: @escaping @Sendable (RequestContext) async throws -> HTTPResponse
    ) {
        self.method = method
        pattern = path.split(separator: "/").map(String.init)
        self.access = access
        self.handler = handler
    }

    /// The parameters where the path fits, otherwise nil.
    func match(_ segments: [String]) -> [String: String]? {
        var parameters: [String: String] = [:]
        for (index, part) in pattern.enumerated() {
            if part == "*" {
                guard segments.count > index else { return nil }
                parameters["*"] = segments[index...].joined(separator: "/")
                return parameters
            }
            guard index < segments.count else { return nil }
            if part.hasPrefix(":") {
                guard !segments[index].isEmpty else { return nil }
                parameters[String(part.dropFirst())] = segments[index]
            } else if part != segments[index] {
                return nil
            }
        }
        return segments.count == pattern.count ? parameters : nil
    }
}

/// One request on its way through a route's handler.
struct RequestContext: Sendable {
    let request: HTTPRequest
    let body: HTTPBodyStream
    let parameters: [String: String]
    /// Nil for routes that anyone may call.
    let principal: TokenStore.Principal?
    let id: RequestID

    /// The segment that the pattern calls `name`.
    func parameter(_ name: String) -> String {
        parameters[name] ?? ""
    }

    /// The host whose agent calls.
    func host() throws -> HostID {
        guard let host = principal?.host else { throw Problem.forbidden }
        return host
    }

    /// Who changes the registry in this request.
    var author: RegistryWriter.Author {
        RegistryWriter.Author(actor: principal?.name ?? "nobody", request: id)
    }

    /// Decodes the JSON body.
    ///
    /// - Parameter limitBytes: default 1 MiB.
    /// - Throws: `Problem` 400 that names the member, or 413.
    func decode<Value: Decodable>(
        _ type: Value.Type, limitBytes: Int = 1 << 20
    ) async throws -> Value {
        let bytes = try await body.collect(limitBytes: limitBytes)
        do {
            return try JSON.decode(type, from: bytes.isEmpty ? Array("{}".utf8) : bytes)
        } catch let error as DecodingError {
            throw Problem.invalidBody(error)
        }
    }

    /// The request's `Idempotency-Key`, nil where it has none.
    ///
    /// - Throws: `Problem` 400 when it is empty or longer than 255 bytes.
    func idempotencyKey() throws -> String? {
        guard let key = request.headers["Idempotency-Key"] else { return nil }
        guard (1...255).contains(key.utf8.count) else {
            throw Problem.invalidParameter("Idempotency-Key", "must have 1 to 255 characters")
        }
        return key
    }

    /// What tells another request from this one under the same `Idempotency-Key`.
    func fingerprint(of body: [UInt8]) -> [UInt8] {
        BearerToken.hash(
            of: "\(request.method) \(request.path)\n" + String(decoding: body, as: UTF8.self))
    }

    /// How many items a page has: `limit` of the query, 1 to 1,000, default 100.
    func limit() throws -> Int {
        guard let text = request.queryValue("limit") else { return 100 }
        guard let value = Int(text), (1...1000).contains(value) else {
            throw Problem.invalidParameter("limit", "must be from 1 to 1000")
        }
        return value
    }

    /// The cursor of the page before, as this route made it.
    func cursor<Kind: IdentifierKind>(_ kind: Kind.Type) throws -> Identifier<Kind>? {
        guard let text = request.queryValue("cursor") else { return nil }
        guard let value = Identifier<Kind>(text) else {
            throw Problem.invalidParameter("cursor", "must be nextCursor of the page before")
        }
        return value
    }
}

extension HTTPResponse {
    /// A JSON answer.
    static func json(
        _ value: some Encodable, status: Int = 200, location: String? = nil
    ) throws -> HTTPResponse {
        var headers: HTTPHeaders = [
            "Content-Type": "application/json", "Cache-Control": "no-store",
        ]
        if let location { headers.append("Location", location) }
        return HTTPResponse(status: status, headers: headers, body: .bytes(try JSON.encode(value)))
    }

    /// The answer to a request that made an operation, or found the live one.
    static func accepted(
        _ operation: OperationDescription, isReplay: Bool = false
    ) throws -> HTTPResponse {
        var response = try json(
            operation, status: 202, location: "/v1/operations/\(operation.id)")
        if isReplay { response.headers.append("Idempotent-Replay", "true") }
        return response
    }
}
