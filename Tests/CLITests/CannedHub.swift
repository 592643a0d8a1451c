import HTTP
import Platform
import Shared

/// A real server on loopback that answers as a hub would, from a test's own routes, and remembers
/// what it was asked.
final class CannedHub: Sendable {
    /// A request as it came.
    struct Seen: Sendable {
        let method: String
        let path: String
        let head: HTTPRequest
        let body: [UInt8]
    }

    /// Answers the request; `count` is 1 for the first one of this method and path.
    typealias Route = @Sendable (_ seen: Seen, _ count: Int) async throws -> HTTPResponse

    let server: HTTPServer
    let address: String
    private let seen: Locked<[Seen]>

    private init(_ options: HTTPServerOptions, _ routes: [String: Route]) throws {
        let seen = Locked<[Seen]>([])
        self.seen = seen
        server = try HTTPServer(options: options) { head, body in
            do {
                let request = Seen(
                    method: head.method, path: head.path, head: head,
                    body: try await body.collect(limitBytes: 1 << 20))
                let count = seen.withLock { all in
                    all.append(request)
                    return all.count { $0.method == request.method && $0.path == request.path }
                }
                guard let route = routes["\(head.method) \(head.path)"] else {
                    return try CannedHub.problem(404, "not-found", "no route \(head.path)")
                }
                return try await route(request, count)
            } catch is CancellationError {
                // The server is being stopped, as if its process had ended.
                return CannedHub.brokenOff()
            } catch {
                return HTTPResponse(status: 500, body: .text("\(error)"))
            }
        }
        let scheme = options.tls == nil ? "http" : "https"
        address = "\(scheme)://127.0.0.1:\(server.port)"
    }

    /// Serves while `body` runs.
    static func serving<Answer: Sendable>(
        _ routes: [String: Route], options: HTTPServerOptions = HTTPServerOptions(),
        _ body: @Sendable @escaping (CannedHub) async throws -> Answer
    ) async throws -> Answer {
        var quick = options
        quick.stopGrace = .milliseconds(50)
        let hub = try CannedHub(quick, routes)
        return try await withThrowingTaskGroup(of: Answer?.self) { group in
            group.addTask {
                try await hub.server.run()
                return nil
            }
            defer { group.cancelAll() }
            let answer = try await body(hub)
            hub.server.stop()
            return answer
        }
    }

    /// What was asked so far with this method and path.
    func requests(_ route: String) -> [Seen] {
        seen.withLock { all in all.filter { "\($0.method) \($0.path)" == route } }
    }

    /// A document.
    static func json(_ value: some Encodable, status: Int = 200) throws -> HTTPResponse {
        HTTPResponse(
            status: status, headers: ["Content-Type": "application/json"],
            body: .bytes(try JSON.encode(value)))
    }

    /// A refusal.
    static func problem(
        _ status: Int, _ code: String, _ detail: String, hint: String? = nil,
        candidates: [String]? = nil
    ) throws -> HTTPResponse {
        let problem = Problem(
            status: status, code: code, title: code, detail: detail, hint: hint,
            candidates: candidates)
        return HTTPResponse(
            status: status, headers: ["Content-Type": "application/problem+json"],
            body: .bytes(try JSON.encode(problem)))
    }

    /// A stream of events that a closure writes.
    static func events(
        _ produce: @escaping @Sendable (HTTPBodyWriter) async throws -> Void
    ) -> HTTPResponse {
        HTTPResponse(
            status: 200, headers: ["Content-Type": "text/event-stream"],
            body: .stream(length: nil, produce: produce))
    }

    /// An answer that breaks off: more bytes are announced than come.
    static func brokenOff() -> HTTPResponse {
        HTTPResponse(
            status: 200,
            body: .stream(length: 100) { writer in
                try await writer.write([0x7B])
                throw CancellationError()
            })
    }
}
