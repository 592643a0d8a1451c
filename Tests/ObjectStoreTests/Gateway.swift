import FoundationEssentials
import HTTP
import ObjectStore
import Platform

/// A small gateway over a store, as the hub's wire contract has it, on a real server; it can be told
/// to fail.
struct Gateway: Sendable {
    let store: any ObjectStorage
    /// Answers instead of the gateway, where it answers at all.
    var fault: @Sendable (HTTPRequest) -> HTTPResponse? = { _ in nil }

    private static let base = "/v1/agent/operations/op1/objects"

    /// Runs `body` with the URL of the objects.
    func serve<Answer: Sendable>(
        _ body: @Sendable (String) async throws -> Answer
    ) async throws -> Answer {
        var options = HTTPServerOptions()
        options.bodyLimitBytes = 64 << 20
        let server = try HTTPServer(options: options) { request, body in
            await answer(request, body)
        }
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            defer { group.cancelAll() }
            return try await body("http://127.0.0.1:\(server.port)" + Self.base)
        }
    }

    private func answer(_ request: HTTPRequest, _ body: HTTPBodyStream) async -> HTTPResponse {
        if let response = fault(request) { return response }
        guard request.headers["Authorization"] == "Bearer t",
            request.headers["Berth-Epoch"] == "7"
        else { return HTTPResponse(status: 401) }
        do {
            if request.path == Self.base { return try await list(request) }
            let name = try ObjectName(String(request.path.dropFirst(Self.base.count + 1)))
            switch request.method {
            case "PUT":
                let isNew = try await store.put(
                    name,
                    .stream(
                        bytes: body.announcedBytes ?? -1, sha256: nil,
                        next: { try await body.next() }))
                return HTTPResponse(status: isNew ? 201 : 200)
            case "HEAD":
                let bytes = try await store.size(of: name)
                return HTTPResponse(status: 200, body: .stream(length: bytes) { _ in })
            default: return try await get(name, request)
            }
        } catch let error as ObjectStoreError {
            return Self.refusal(error)
        } catch {
            return HTTPResponse(status: 500, body: .text("\(error)"))
        }
    }

    private func list(_ request: HTTPRequest) async throws -> HTTPResponse {
        struct List: Encodable {
            struct Entry: Encodable {
                let name: String
                let bytes: Int64
            }
            let objects: [Entry]
        }
        let prefix = try ObjectPrefix(request.queryValue("prefix") ?? "")
        let entries = try await store.list(prefix)
        let list = List(objects: entries.map { .init(name: $0.name.text, bytes: $0.bytes) })
        return HTTPResponse(status: 200, body: .bytes([UInt8](try JSONEncoder().encode(list))))
    }

    private func get(_ name: ObjectName, _ request: HTTPRequest) async throws -> HTTPResponse {
        let bytes = try await store.size(of: name)
        var range = 0..<bytes
        if let header = request.headers["Range"] {
            let ends = header.dropFirst("bytes=".count)
                .split(separator: "-", omittingEmptySubsequences: false)
            let first = Int64(ends[0]) ?? 0
            guard first < bytes else { return HTTPResponse(status: 416) }
            range = first..<min((Int64(ends[1]) ?? bytes - 1) + 1, bytes)
        }
        let wanted = range
        return HTTPResponse(
            status: request.headers["Range"] == nil ? 200 : 206,
            body: .stream(length: Int64(wanted.count)) { writer in
                try await store.stream(name, range: wanted) { try await writer.write($0) }
            })
    }

    private static func refusal(_ error: ObjectStoreError) -> HTTPResponse {
        let (status, code): (Int, String) =
            switch error.code {
            case .notFound: (404, "object-not-found")
            case .alreadyExists: (409, "object-exists")
            case .digest: (422, "digest-mismatch")
            case .full: (507, "bucket-full")
            case .outOfRange: (416, "out-of-range")
            case .bucketMissing: (503, "bucket-missing")
            case .limitExceeded: (413, "too-large")
            case .leaseLost: (409, "lease-lost")
            case .denied, .notAllowed, .invalidName, .unavailable, .hubUnavailable,
                .credentialsRefused, .clockSkew, .invalidConfiguration, .failed:
                (500, "failed")
            }
        return HTTPResponse(status: status, body: .text(#"{"code":"\#(code)"}"#))
    }
}
