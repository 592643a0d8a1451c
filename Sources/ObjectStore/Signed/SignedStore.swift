import HTTP
import Platform

/// The objects of one operation's repository, by URLs that a hub signs for minutes: packs are put
/// and objects are read at the provider itself; what has no URL (listings, lengths) goes through
/// the hub's gateway.
///
/// Nothing can be deleted or replaced through it. What is tried again, and for how long, is as in
/// `GrantedStore`.
public struct SignedStore: ObjectStorage {
    private let gateway: GrantedStore
    private let configuration: S3Configuration
    private let client: HTTPClient
    private let urls: SignedURLs
    private let options: GrantedStore.Options
    private let files = BlockingPool(label: "berth.signed-store", width: 4)

    /// - Parameters:
    ///   - gateway: the same objects through the hub.
    ///   - configuration: the bucket, for its endpoint's authorities and for messages.
    ///   - options: waits and limits.
    ///   - sign: answers as many URLs as wishes, in their order, and how long they hold.
    /// - Throws: `HTTPError` when there is no memory or thread.
    public init(
        gateway: GrantedStore, configuration: S3Configuration,
        options: GrantedStore.Options = GrantedStore.Options(),
        sign: @escaping @Sendable ([URLWish]) async throws -> (urls: [SignedURL], holds: Duration)
    ) throws {
        self.gateway = gateway
        self.configuration = configuration
        self.options = options
        urls = SignedURLs(sign: sign)
        var settings = HTTPClientOptions()
        settings.refusesLocalServices = true
        settings.userAgent = "berth"
        if let pem = configuration.authoritiesPEM { settings.trust = .authorities(pem: pem) }
        client = try HTTPClient(options: settings)
    }

    /// See `ObjectStorage.put`; a body that is a stream is sent once only.
    @discardableResult
    public func put(_ name: ObjectName, _ body: ObjectBody) async throws -> Bool {
        let isRepeatable = if case .stream = body.source { false } else { true }
        let what = "store \(name)"
        do {
            try await attempts(what, isRepeatable: isRepeatable) {
                let (response, signed) = try await send(
                    URLWish(.put, name), "PUT", body: body.message(reading: files),
                    deadline: S3Options().deadline(bodyBytes: body.bytes))
                try await refuse(response, URLWish(.put, name), signed, what)
                _ = try await response.body.collect(limitBytes: 1 << 20)
            }
            return true
        } catch let error as ObjectStoreError where error.code == .alreadyExists {
            // The condition that was signed: it is there, from a try whose answer was lost or from
            // another host that packed the same.
            guard try await gateway.size(of: name) == body.bytes else { throw error }
            return false
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
                throw ObjectStoreError(
                    code: .outOfRange, message: "\(name): \(range.lowerBound) is beyond its end")
            }
            return
        }
        let next = Locked(range?.lowerBound ?? 0)
        try await attempts("read \(name)", isRepeatable: true) {
            try await read(name, from: next, to: range?.upperBound, receive)
        }
    }

    /// See `ObjectStorage.size`; asked of the hub.
    public func size(of name: ObjectName) async throws -> Int64 {
        try await gateway.size(of: name)
    }

    /// See `ObjectStorage.list`; asked of the hub.
    public func list(_ prefix: ObjectPrefix) async throws -> [ObjectEntry] {
        try await gateway.list(prefix)
    }

    /// Refused: a host never deletes backup data (D10).
    public func delete(_ name: ObjectName) async throws {
        try await gateway.delete(name)
    }

    /// Reads on from `next`, which is moved with every piece.
    private func read(
        _ name: ObjectName, from next: Locked<Int64>, to end: Int64?,
        _ receive: @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        let begin = next.withLock { $0 }
        if begin == end { return }
        let wish = URLWish(.get, name)
        let isPart = begin > 0 || end != nil
        let range = isPart ? "bytes=\(begin)-" + (end.map { String($0 - 1) } ?? "") : nil
        let (response, signed) = try await send(wish, "GET", body: .empty, range: range)
        try await refuse(response, wish, signed, "read \(name)")
        let until = try Self.end(of: response, name, begin, end, isPart: isPart)
        while let piece = try await response.body.next() {
            try Task.checkCancellation()
            try await receive(piece)
            next.withLock { $0 += Int64(piece.count) }
        }
        let reached = next.withLock { $0 }
        if let until, reached != until {
            throw ObjectStoreError(
                code: .unavailable, message: "\(name) ended at \(reached) instead of \(until)")
        }
    }

    /// Where the answer's bytes end; some providers answer a range with 200 instead of 206: what
    /// counts is `Content-Range`.
    private static func end(
        of response: HTTPClientResponse, _ name: ObjectName, _ begin: Int64, _ end: Int64?,
        isPart: Bool
    ) throws -> Int64? {
        guard isPart else { return response.headers["Content-Length"].flatMap { Int64($0) } }
        guard let said = response.headers["Content-Range"].flatMap(S3Download.contentRange) else {
            throw ObjectStoreError(
                code: .failed,
                message: "the provider ignores that only a part of \(name) was "
                    + "asked for")
        }
        if let total = said.total, let end, end > total {
            throw ObjectStoreError(
                code: .outOfRange, message: "\(name) has \(total) bytes, up to \(end) was asked for"
            )
        }
        guard said.first == begin, end == nil || said.last + 1 == end else {
            throw ObjectStoreError(
                code: .unavailable,
                message: "the provider sent the bytes \(said.first) to \(said.last) of \(name)")
        }
        return said.last + 1
    }

    /// What fails on the way is the provider's, not the hub's.
    private func attempts(
        _ what: String, isRepeatable: Bool, _ body: () async throws -> Void
    ) async throws {
        try await options.attempts(
            what, isRepeatable: isRepeatable,
            failureOf: { S3Bucket.failure(of: $0, $1, configuration) }, body)
    }

    private func send(
        _ wish: URLWish, _ method: String, body: HTTPBody, range: String? = nil,
        deadline: Duration? = nil
    ) async throws -> (response: HTTPClientResponse, signed: SignedURL) {
        let signed = try await urls.url(for: wish)
        var headers = signed.headers
        if let range { headers.append("Range", range) }
        var request = HTTPClientRequest(
            method: method, url: signed.url, headers: headers, body: body, deadline: deadline,
            stallTimeout: options.stallTimeout)
        request.slowestBytesPerSecond = GrantedStore.Options.slowestBytesPerSecond
        return (try await client.send(request), signed)
    }

    private func refuse(
        _ response: HTTPClientResponse, _ wish: URLWish, _ signed: SignedURL, _ what: String
    ) async throws {
        guard !(200..<300).contains(response.status) else { return }
        await urls.forget(wish)
        let body = try await response.body.collect(limitBytes: 1 << 20)
        let refusal = S3Refusal(
            status: response.status, headers: response.headers, body: body,
            sent: signed.period?.begin ?? .now())
        throw SignedRefusal(refusal: refusal, signed: signed, configuration: configuration)
            .error(what)
    }

    private func tooLarge(_ name: ObjectName, _ count: Int64, _ limit: Int) -> ObjectStoreError {
        ObjectStoreError(
            code: .limitExceeded, message: "\(name): at least \(count) bytes, more than \(limit)")
    }
}
