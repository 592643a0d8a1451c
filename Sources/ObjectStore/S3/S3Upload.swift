import HTTP
import Platform

/// Stores one object: with one PUT whose hashes are known before its first byte, or in parts.
struct S3Upload: Sendable {
    let bucket: S3Bucket
    let name: ObjectName
    let body: ObjectBody

    /// Streams up to here are gathered, so that they can be hashed and sent again.
    private static let gatherLimitBytes: Int64 = 1 << 20

    /// - Returns: whether this created the object.
    func run() async throws -> Bool {
        guard body.bytes >= 0 else { throw lengthError("\(body.bytes)") }
        if body.bytes > bucket.options.multipartThresholdBytes {
            return try await S3MultipartUpload(upload: self).run()
        }
        switch body.source {
        case .bytes(let bytes):
            return try await send { (try await digest(of: bytes), .bytes(bytes)) }
        case .pieces(let pieces):
            return try await send {
                (try await bucket.files.run { PayloadDigest(of: pieces) }, .pieces(pieces))
            }
        case .file(let path):
            return try await send { try await file(path) }
        case .stream(let next):
            if body.bytes <= Self.gatherLimitBytes {
                let bytes = try await gathered(next)
                return try await send { (try await digest(of: bytes), .bytes(bytes)) }
            }
            guard let sha256 = body.sha256 else {
                return try await S3MultipartUpload(upload: self).run()
            }
            let isUsed = Locked(false)
            return try await send(on: bucket.relays, mayRepeat: { !isUsed.withLock { $0 } }) {
                isUsed.withLock { $0 = true }
                let digest = PayloadDigest(bytes: body.bytes, sha256: sha256, md5: nil)
                return (digest, Self.checked(next, body, name, sha256))
            }
        }
    }

    // MARK: one PUT

    /// - Parameters:
    ///   - slots: where the requests count, default the bucket's writes.
    ///   - mayRepeat: whether a failed attempt may be followed by another.
    ///   - prepare: what is sent, and its hashes; asked only when it is needed, once for each attempt.
    private func send(
        on slots: RequestSlots? = nil, mayRepeat: () -> Bool = { true },
        _ prepare: () async throws -> (PayloadDigest, HTTPBody)
    ) async throws -> Bool {
        let known = Locked<PayloadDigest?>(nil)
        let what = "store \(name)"
        return try await bucket.attempts(
            what, on: slots ?? bucket.writes, mayRepeat: mayRepeat
        ) { attempt in
            // After a failure the object may be there although its PUT was not acknowledged.
            if !bucket.configuration.hasConditionalPut || attempt > 1,
                let bytes = try await bucket.look(for: name, what, asksWhy: false)
            {
                return try acknowledge(bytes) || attempt > 1
            }
            let (digest, message) = try await prepare()
            if known.withLock({ $0 }) == nil {
                try digest.check(name, body)
                known.withLock { $0 = digest }
            }
            return try await put(digest, message, attempt: attempt)
        }
    }

    private func put(
        _ digest: PayloadDigest, _ message: HTTPBody, attempt: Int
    ) async throws -> Bool {
        let what = "store \(name)"
        var headers = bucket.signer.putHeaders(
            sha256: digest.sha256, isConditional: bucket.configuration.hasConditionalPut)
        headers.append("Content-Type", "application/octet-stream")
        if let md5 = digest.md5 { headers.append("Content-MD5", S3Text.base64(md5)) }
        do {
            _ = try await bucket.answer(
                S3Bucket.Request(
                    method: "PUT", name: name.text, headers: headers, body: message,
                    bodyBytes: digest.bytes, payload: S3Text.hex(digest.sha256)), what)
        } catch let error as ObjectStoreError where error.code == .alreadyExists {
            guard let bytes = try await bucket.look(for: name, what, asksWhy: false) else {
                throw lost()
            }
            return try acknowledge(bytes) || attempt > 1
        }
        try await confirm()
        return true
    }

    /// Looks whether the object is there as it was sent.
    func confirm() async throws {
        guard bucket.options.confirmsPuts else { return }
        guard let bytes = try await bucket.look(for: name, "store \(name)", asksWhy: false) else {
            throw lost()
        }
        guard bytes == body.bytes else {
            throw ObjectStoreError(
                code: .digest,
                message: "\(bucket.configuration.place) has \(bytes) bytes of \(name), "
                    + "\(body.bytes) were sent and acknowledged")
        }
    }

    /// - Returns: false, where an object of the same length is there.
    func acknowledge(_ bytes: Int64) throws -> Bool {
        guard bytes == body.bytes else {
            throw ObjectStoreError(
                code: .alreadyExists,
                message: "\(name) exists with \(bytes) bytes, not \(body.bytes); "
                    + "nothing was replaced")
        }
        return false
    }

    private func lost() -> ObjectStoreError {
        ObjectStoreError(
            code: .unavailable,
            message: "\(bucket.configuration.place) acknowledged \(name), but does not have it")
    }

    // MARK: bodies

    private func digest(of bytes: [UInt8]) async throws -> PayloadDigest {
        guard bytes.count > 64 << 10 else { return PayloadDigest(of: bytes) }
        return try await bucket.files.run { PayloadDigest(of: bytes) }
    }

    /// The hashes of a file, in one pass over it, and its bytes, in another.
    private func file(_ path: String) async throws -> (PayloadDigest, HTTPBody) {
        let files = bucket.files
        let digest = try await files.run { try PayloadDigest(of: SourceFile(path: path)) }
        let body = HTTPBody.stream(length: digest.bytes) { writer in
            let file = try await files.run { try SourceFile(path: path) }
            while case let piece = try await files.run({ try file.next() }), !piece.isEmpty {
                try await writer.write(piece)
            }
        }
        return (digest, body)
    }

    /// A stream on its way.
    ///
    /// Its last piece is held back until all are checked, so that wrong bytes never become an
    /// object: the PUT breaks off instead.
    private static func checked(
        _ next: @escaping @Sendable () async throws -> [UInt8]?, _ body: ObjectBody,
        _ name: ObjectName, _ sha256: [UInt8]
    ) -> HTTPBody {
        .stream(length: body.bytes) { writer in
            var digest = Digest()
            var count: Int64 = 0
            var held: [UInt8] = []
            while let piece = try await Self.ofCaller(next) {
                guard !piece.isEmpty else { continue }
                count += Int64(piece.count)
                guard count <= body.bytes else { break }
                digest.update(piece)
                try await writer.write(held)
                held = piece
            }
            try PayloadDigest(bytes: count, sha256: digest.finish(), md5: nil).check(name, body)
            try await writer.write(held)
        }
    }

    /// All of a stream that fits into memory.
    private func gathered(_ next: () async throws -> [UInt8]?) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        while let piece = try await next() {
            bytes += piece
            guard bytes.count <= body.bytes else { throw lengthError("at least \(bytes.count)") }
        }
        guard bytes.count == body.bytes else { throw lengthError("\(bytes.count)") }
        return bytes
    }

    /// What a caller's closure throws is not the bucket's failure.
    private static func ofCaller(
        _ next: () async throws -> [UInt8]?
    ) async throws -> [UInt8]? {
        do {
            return try await next()
        } catch {
            throw CallersFailure(cause: error)
        }
    }

    func lengthError(_ count: String) -> ObjectStoreError {
        ObjectStoreError(
            code: .digest, message: "\(name): \(count) bytes came, \(body.bytes) were announced")
    }
}
