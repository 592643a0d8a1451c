import HTTP
import ObjectStore
import Platform
import Shared

/// A repository's objects through the hub's gateway, for one operation under one lease: packs go
/// in, what the operation needs comes out, nothing is deleted.
struct GatewayStore: ObjectStorage {
    /// Nothing moves for so long: then the request has failed.
    private static let stall = Duration.seconds(60)
    /// A request that failed on the way is tried so often.
    private static let attempts = 4

    let hub: HubClient
    let operation: OperationID
    let epoch: Int64

    func put(_ name: ObjectName, _ body: ObjectBody) async throws -> Bool {
        let content: HTTPBody
        switch body.source {
        case .bytes(let bytes): content = .bytes(bytes)
        case .file, .stream:
            // The pack writer has whole packs in memory.
            throw ObjectStoreError(
                code: .notAllowed, message: "put \(name): the gateway takes bytes only")
        }
        let status = try await retrying(name.text) {
            let response = try await send("PUT", "/\(name)", body: content)
            return try await Self.drained(response, name.text).status
        }
        return status == 201
    }

    func get(_ name: ObjectName, range: Range<Int64>?, limitBytes: Int) async throws -> [UInt8] {
        try await retrying(name.text) {
            let response = try await send("GET", "/\(name)", range: range)
            try await Self.check(response, name.text)
            do {
                let bytes = try await response.body.collect(limitBytes: limitBytes)
                guard range.map({ bytes.count == $0.count }) ?? true else {
                    throw ObjectStoreError(
                        code: .digest, message: "get \(name): \(bytes.count) bytes arrived")
                }
                return bytes
            } catch let error as HTTPError where error.code == .tooLarge {
                throw ObjectStoreError(
                    code: .limitExceeded, message: "\(name) has more than \(limitBytes) bytes")
            }
        }
    }

    func stream(
        _ name: ObjectName, range: Range<Int64>?,
        receive: @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        let response = try await translating(name.text) {
            try await send("GET", "/\(name)", range: range)
        }
        try await Self.check(response, name.text)
        while let chunk = try await translating(name.text, { try await response.body.next() }) {
            try await receive(chunk)
        }
    }

    func size(of name: ObjectName) async throws -> Int64 {
        try await retrying(name.text) {
            let response = try await send("HEAD", "/\(name)")
            try await Self.check(response, name.text)
            guard let text = response.headers["Content-Length"], let bytes = Int64(text) else {
                throw ObjectStoreError(code: .failed, message: "\(name): no length was told")
            }
            return bytes
        }
    }

    func list(_ prefix: ObjectPrefix) async throws -> [ObjectEntry] {
        let bytes = try await retrying(prefix.text) {
            let response = try await send("GET", "?prefix=\(prefix.text)")
            try await Self.check(response, prefix.text)
            return try await response.body.collect(limitBytes: 256 << 20)
        }
        do {
            return try JSON.decode(GrantedObjectList.self, from: bytes).objects.map {
                ObjectEntry(name: try ObjectName($0.name), bytes: $0.bytes)
            }.sorted { $0.name < $1.name }
        } catch let error as DecodingError {
            throw ObjectStoreError(
                code: .failed, message: "the list of \(prefix) cannot be read", cause: error)
        }
    }

    func delete(_ name: ObjectName) async throws {
        throw ObjectStoreError(
            code: .notAllowed, message: "delete \(name): a host deletes nothing in a repository")
    }

    private func send(
        _ method: String, _ path: String, range: Range<Int64>? = nil, body: HTTPBody = .empty
    ) async throws -> HTTPClientResponse {
        var headers: HTTPHeaders = [
            "Authorization": hub.authorization, "Berth-Epoch": String(epoch),
        ]
        if let range {
            headers.append("Range", "bytes=\(range.lowerBound)-\(range.upperBound - 1)")
        }
        return try await hub.http.send(
            HTTPClientRequest(
                method: method, url: hub.objectsURL(operation) + path, headers: headers,
                body: body, deadline: .seconds(900), stallTimeout: Self.stall))
    }

    /// Tries again what the network failed; names are hashes, so that a repetition is harmless.
    private func retrying<Answer>(
        _ what: String, _ body: () async throws -> Answer
    ) async throws -> Answer {
        var backoff = ServiceBackoff(base: .milliseconds(200), cap: .seconds(5))
        for _ in 1..<Self.attempts {
            do {
                return try await translating(what, body)
            } catch let error as ObjectStoreError where error.isRetryable {
                try await ContinuousClock().sleep(for: backoff.failed())
            }
        }
        return try await translating(what, body)
    }

    private func translating<Answer>(
        _ what: String, _ body: () async throws -> Answer
    ) async throws -> Answer {
        do {
            return try await body()
        } catch let error as HTTPError {
            throw ObjectStoreError(
                code: .unavailable, message: "\(what) by way of the hub", cause: error)
        }
    }

    private static func drained(
        _ response: HTTPClientResponse, _ what: String
    ) async throws -> HTTPClientResponse {
        try await check(response, what)
        _ = try await response.body.collect(limitBytes: 64 << 10)
        return response
    }

    private static func check(_ response: HTTPClientResponse, _ what: String) async throws {
        guard !(200..<300).contains(response.status) else { return }
        let bytes = try await response.body.collect(limitBytes: 64 << 10)
        // An answer to HEAD has no body: then the status says it all.
        let problem = try? JSON.decode(Problem.self, from: bytes)
        let reason = problem?.detail ?? "status \(response.status)"
        throw ObjectStoreError(
            code: code(response.status, problem), message: "\(what): \(reason)", cause: problem)
    }

    private static func code(_ status: Int, _ problem: Problem?) -> ObjectStoreError.Code {
        if problem?.code == "lease-lost" { return .leaseLost }
        if problem?.code == "bucket-missing" { return .bucketMissing }
        return switch status {
        case 404: .notFound
        case 401, 403: .denied
        case 409: .alreadyExists
        case 416: .outOfRange
        case 422: .digest
        case 507: .full
        case 408, 425, 429, 500...: .unavailable
        default: .failed
        }
    }
}
