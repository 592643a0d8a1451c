import HTTP
import Platform

/// A bucket of any S3-compatible provider as an object store; the provider is not trusted to do
/// more than what was seen of it.
///
/// Attempts that fail in a way that may pass are repeated, with the waits of the bucket's health,
/// until `S3Options.patience` is over. Objects are never replaced: by `If-None-Match: *` where the
/// provider heeds it, elsewhere by looking before each PUT, which two processes that put one name at
/// the same moment can both pass; names of a repository are hashes of the content, so both put the
/// same bytes then. Wrong bytes that a provider sends with the right length reach the caller, who
/// knows the object's hash.
public struct S3Store: ObjectStorage {
    let bucket: S3Bucket
    private let turns = NameTurns()

    /// - Parameters:
    ///   - configuration: the bucket.
    ///   - credentials: what to sign with.
    ///   - health: what all stores of this bucket in the process share.
    ///   - options: limits and times.
    /// - Throws: `HTTPError` when there is no memory or thread for a client.
    public init(
        _ configuration: S3Configuration, credentials: S3Credentials,
        health: BucketHealth = BucketHealth(), options: S3Options = S3Options()
    ) throws {
        bucket = try S3Bucket(configuration, credentials, health, options)
    }

    /// The bucket's configuration.
    public var configuration: S3Configuration { bucket.configuration }
    /// How the bucket is doing.
    public var health: BucketHealth { bucket.health }
    /// Signs with the store's credentials, for grants.
    public var signer: S3Signer { bucket.signer }

    /// See `ObjectStorage.put`.
    ///
    /// A body that is a stream is sent once only, unless its SHA-256 is not known: then it is
    /// gathered, and if it has more than 8 MiB sent in parts.
    @discardableResult
    public func put(_ name: ObjectName, _ body: ObjectBody) async throws -> Bool {
        try await turns.run(name) {
            try await S3Upload(bucket: bucket, name: name, body: body).run()
        }
    }

    /// See `ObjectStorage.get`.
    public func get(
        _ name: ObjectName, range: Range<Int64>?, limitBytes: Int
    ) async throws -> [UInt8] {
        let gathered = Locked<[UInt8]>([])
        try await S3Download(bucket: bucket, name: name, range: range, limitBytes: limitBytes)
            .run(
                expects: { count in
                    gathered.withLock { $0.reserveCapacity(min(count, limitBytes)) }
                },
                receive: { piece in gathered.withLock { $0 += piece } })
        return gathered.withLock { $0 }
    }

    /// See `ObjectStorage.stream`.
    public func stream(
        _ name: ObjectName, range: Range<Int64>?,
        receive: @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        try await S3Download(bucket: bucket, name: name, range: range, limitBytes: nil)
            .run(expects: { _ in }, receive: receive)
    }

    /// See `ObjectStorage.size`.
    public func size(of name: ObjectName) async throws -> Int64 {
        try await bucket.size(of: name)
    }

    /// See `ObjectStorage.list`; keys that are no object names are left out.
    public func list(_ prefix: ObjectPrefix) async throws -> [ObjectEntry] {
        try await S3Listing(bucket: bucket, prefix: prefix).run()
    }

    /// See `ObjectStorage.delete`.
    public func delete(_ name: ObjectName) async throws {
        let what = "delete \(name)"
        try await bucket.attempts(what, on: bucket.writes) { _ in
            do {
                _ = try await bucket.answer(
                    S3Bucket.Request(method: "DELETE", name: name.text), what)
            } catch let error as ObjectStoreError where error.code == .notFound {
                return
            }
        }
    }

    /// Makes the bucket; one that is there already and is ours is a success.
    ///
    /// - Throws: `denied` when it belongs to somebody else; as `put`.
    public func makeBucket() async throws {
        let place = bucket.configuration.place
        try await bucket.attempts("make the \(place)", on: bucket.writes) { _ in
            var request = S3Bucket.Request(method: "PUT", name: nil)
            let region = bucket.configuration.region
            if region != "us-east-1" {
                let text =
                    "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                    + "<LocationConstraint>\(region)</LocationConstraint>"
                    + "</CreateBucketConfiguration>"
                request.set(body: Array(text.utf8))
            }
            do {
                _ = try await bucket.answer(request, "make the \(place)")
            } catch let error as ObjectStoreError {
                let code = (error.cause as? S3Refusal)?.code ?? ""
                guard ["BucketAlreadyOwnedByYou", "BucketAlreadyExists"].contains(code) else {
                    throw error
                }
                // Some providers say the second of their own buckets too: a look tells.
                _ = try await bucket.answer(
                    S3Bucket.Request(method: "HEAD", name: nil), "use the \(place)")
            }
        }
    }
}

extension S3Bucket {
    /// The length of an object.
    func size(of name: ObjectName) async throws -> Int64 {
        let what = "look for \(name)"
        return try await attempts(what, on: reads) { _ in
            guard let bytes = try await look(for: name, what, asksWhy: true) else {
                throw missing(name)
            }
            return bytes
        }
    }

    func missing(_ name: ObjectName) -> ObjectStoreError {
        ObjectStoreError(
            code: .notFound, message: "\(name) is not in \(configuration.place)")
    }
}

extension S3Bucket.Request {
    /// Gives a body in memory, with its hashes.
    mutating func set(body bytes: [UInt8]) {
        let digest = PayloadDigest(of: bytes)
        body = .bytes(bytes)
        bodyBytes = Int64(bytes.count)
        payload = S3Text.hex(digest.sha256)
        if let md5 = digest.md5 { headers["Content-MD5"] = S3Text.base64(md5) }
    }
}
