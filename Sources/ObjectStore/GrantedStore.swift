public import HTTP
public import Platform

/// The objects of one operation's repository, as a hub's gateway grants them to a host: packs to
/// write, and what the operation needs to read.
///
/// Nothing can be deleted or replaced through it.
///
/// Connections that fail and answers that ask for patience (408, 429, 500, 502, 503, 504) are tried
/// again with growing waits until `Options.patience` is over; all other refusals are final. A read
/// that breaks off goes on where it stopped.
public struct GrantedStore: ObjectStorage {
    /// How long, and how often.
    public struct Options: Sendable {
        /// No new attempt begins later than this after the first; default 2 minutes.
        public var patience: Duration
        /// The waits between attempts.
        public var backoff: Backoff
        /// How long nothing may move in one attempt; default 60 seconds.
        public var stallTimeout: Duration

        /// What is no progress: fewer bytes a second, as long as the stall timeout.
        static let slowestBytesPerSecond = 1 << 10

        /// - Parameters:
        ///   - patience: how long to go on trying.
        ///   - backoff: the waits between attempts.
        ///   - stallTimeout: how long nothing may move in one attempt.
        public init(
            patience: Duration = .seconds(120),
            backoff: Backoff = Backoff(base: .milliseconds(200), cap: .seconds(10)),
            stallTimeout: Duration = .seconds(60)
        ) {
            self.patience = patience
            self.backoff = backoff
            self.stallTimeout = stallTimeout
        }
    }

    private let client: HTTPClient
    private let url: String
    private let headers: HTTPHeaders
    private let options: Options
    private let files = BlockingPool(label: "berth.granted-store", width: 4)

    /// - Parameters:
    ///   - client: what sends requests.
    ///   - url: `…/v1/agent/operations/{operation}/objects`, without a slash at its end.
    ///   - headers: those of every request: `Authorization`, `Berth-Epoch`.
    ///   - options: waits and limits.
    public init(
        client: HTTPClient, url: String, headers: HTTPHeaders, options: Options = Options()
    ) {
        self.client = client
        self.url = url
        self.headers = headers
        self.options = options
    }

    /// See `ObjectStorage.put`; a body that is a stream is sent once only.
    @discardableResult
    public func put(_ name: ObjectName, _ body: ObjectBody) async throws -> Bool {
        let isRepeatable = if case .stream = body.source { false } else { true }
        return try await options.attempts("store \(name)", isRepeatable: isRepeatable) {
            let response = try await send(
                "PUT", path: "/\(name)", body: body.message(reading: files))
            try await refuse(response, "store \(name)")
            return response.status == 201
        }
    }

    /// See `ObjectStorage.get`.
    public func get(
        _ name: ObjectName, range: Range<Int64>?, limitBytes: Int
    ) async throws -> [UInt8] {
        if let range, range.count > limitBytes {
            throw tooLarge(name, Int64(range.count), limitBytes)
        }
        let gathered = Locked<[UInt8]>([])
        // An array that grows takes up to twice the memory of what it holds.
        if let range { gathered.withLock { $0.reserveCapacity(range.count) } }
        try await stream(name, range: range) { piece in
            let count = gathered.withLock { bytes -> Int in
                bytes += piece
                return bytes.count
            }
            if count > limitBytes { throw tooLarge(name, Int64(count), limitBytes) }
        }
        return gathered.withLock { $0 }
    }

    /// See `ObjectStorage.stream`.
    public func stream(
        _ name: ObjectName, range: Range<Int64>?,
        receive: @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        if let range, range.isEmpty {
            guard range.lowerBound <= (try await size(of: name)) else {
                throw outOfRange(name, "\(range.lowerBound) is beyond its end")
            }
            return
        }
        let position = Locked(Position(next: range?.lowerBound ?? 0, end: range?.upperBound))
        try await options.attempts("read \(name)", isRepeatable: true) {
            let start = position.withLock { $0 }
            if start.next == start.end { return }
            let response = try await send(
                "GET", path: "/\(name)", body: .empty,
                range: range == nil && start.next == 0 ? nil : start)
            try await refuse(response, "read \(name)")
            while let piece = try await response.body.next() {
                try Task.checkCancellation()
                try await receive(piece)
                position.withLock { $0.next += Int64(piece.count) }
            }
            let reached = position.withLock { $0.next }
            if let end = range?.upperBound, reached != end {
                throw outOfRange(name, "it ends at \(reached), \(end) was asked for")
            }
        }
    }

    /// See `ObjectStorage.size`.
    public func size(of name: ObjectName) async throws -> Int64 {
        try await options.attempts("look for \(name)", isRepeatable: true) {
            let response = try await send("HEAD", path: "/\(name)", body: .empty)
            try await refuse(response, "look for \(name)")
            guard let bytes = response.headers["Content-Length"].flatMap({ Int64($0) }) else {
                throw ObjectStoreError(
                    code: .failed, message: "the hub does not say how long \(name) is")
            }
            return bytes
        }
    }

    /// See `ObjectStorage.list`.
    public func list(_ prefix: ObjectPrefix) async throws -> [ObjectEntry] {
        try await options.attempts("list \(prefix)", isRepeatable: true) {
            let response = try await send("GET", path: "?prefix=\(prefix)", body: .empty)
            try await refuse(response, "list \(prefix)")
            return try GatewayAnswer.entries(
                of: try await response.body.collect(limitBytes: GatewayAnswer.listLimitBytes))
        }
    }

    /// Refused: a host never deletes backup data (D10).
    public func delete(_ name: ObjectName) async throws {
        throw ObjectStoreError(
            code: .notAllowed, message: "a host may not delete \(name); only the hub deletes")
    }

    private struct Position: Sendable {
        var next: Int64
        var end: Int64?
    }

    private func send(
        _ method: String, path: String, body: HTTPBody, range: Position? = nil
    ) async throws -> HTTPClientResponse {
        var headers = headers
        if let range {
            headers.append(
                "Range", "bytes=\(range.next)-" + (range.end.map { String($0 - 1) } ?? ""))
        }
        var request = HTTPClientRequest(
            method: method, url: url + path, headers: headers, body: body, deadline: nil,
            stallTimeout: options.stallTimeout)
        request.slowestBytesPerSecond = Options.slowestBytesPerSecond
        return try await client.send(request)
    }

    private func refuse(_ response: HTTPClientResponse, _ what: String) async throws {
        guard !(200..<300).contains(response.status) else { return }
        let body = try await response.body.collect(limitBytes: GatewayAnswer.problemLimitBytes)
        throw GatewayAnswer.failure(status: response.status, problem: body, what)
    }

    private func tooLarge(_ name: ObjectName, _ count: Int64, _ limit: Int) -> ObjectStoreError {
        ObjectStoreError(
            code: .limitExceeded, message: "\(name): at least \(count) bytes, more than \(limit)")
    }

    private func outOfRange(_ name: ObjectName, _ reason: String) -> ObjectStoreError {
        ObjectStoreError(code: .outOfRange, message: "\(name): \(reason)")
    }
}
