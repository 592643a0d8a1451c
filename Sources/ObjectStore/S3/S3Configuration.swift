/// Where a bucket is and how its provider is spoken to.
public struct S3Configuration: Sendable, Hashable {
    /// Where the bucket's name stands in a URL.
    public enum Addressing: String, Sendable, Hashable, Codable {
        /// `https://endpoint/bucket/key`: works everywhere but on some new buckets of Amazon.
        case path
        /// `https://bucket.endpoint/key`.
        case host
    }

    /// What the provider is asked to encrypt objects with, beyond Berth's own encryption.
    public enum Encryption: Sendable, Hashable {
        /// Nothing is asked for.
        case none
        /// The provider's own keys (`AES256`).
        case aes256
        /// A key of the provider's key service (`aws:kms`); nil for the bucket's default one.
        case kms(keyID: String?)
    }

    /// The service's address, such as `https://s3.example.org:9000`.
    public let endpoint: String
    /// The region that signatures name, such as `us-east-1`.
    public let region: String
    /// The bucket's name.
    public let bucket: String
    /// What every key begins with.
    public let prefix: ObjectPrefix
    /// Where the bucket's name stands in a URL.
    public let addressing: Addressing
    /// The storage class of new objects, nil for the bucket's default.
    public let storageClass: String?
    /// What the provider is asked to encrypt new objects with.
    public let encryption: Encryption
    /// Whether the provider refuses to overwrite when asked so (`If-None-Match: *` answers 412), as
    /// a probe found; without it a look comes before each PUT.
    public let hasConditionalPut: Bool
    /// Whether the provider takes a presigned request's `x-amz-content-sha256` for the hash of its
    /// payload, as Amazon, Ceph and MinIO do; default true.
    ///
    /// Elsewhere, as with rclone, it is a header like others.
    public var bindsPresignedPayload = true
    /// The authorities that may sign the endpoint's certificate, in PEM; nil for the system's.
    public var authoritiesPEM: [UInt8]?

    /// Scheme and authority of the requests, with the bucket's name for `host`.
    let origin: String
    /// What the `Host` header says.
    let host: String
    /// What the path of every URL begins with: empty, or `/` and the bucket's name.
    let root: String

    /// - Parameters:
    ///   - endpoint: `http` or `https`, a host and perhaps a port; no path.
    ///   - region: the region that signatures name.
    ///   - bucket: 3 to 63 of `[a-z0-9.-]`.
    ///   - prefix: what every key begins with, default nothing.
    ///   - addressing: where the bucket's name stands in a URL, default the path.
    ///   - storageClass: the storage class of new objects, default the bucket's own.
    ///   - encryption: what the provider is asked to encrypt with, default nothing.
    ///   - hasConditionalPut: whether the provider heeds `If-None-Match: *`, default false.
    /// - Throws: `ObjectStoreError` with code `invalidConfiguration`, naming the value.
    public init(
        endpoint: String, region: String, bucket: String, prefix: ObjectPrefix = .all,
        addressing: Addressing = .path, storageClass: String? = nil,
        encryption: Encryption = .none, hasConditionalPut: Bool = false
    ) throws(ObjectStoreError) {
        let (scheme, authority) = try Self.parse(endpoint: endpoint)
        guard !region.isEmpty, region.utf8.count <= 64, region.utf8.allSatisfy(Self.isWordByte)
        else { throw Self.refusal("region", region, "such as us-east-1") }
        guard Self.isBucketName(bucket) else {
            throw Self.refusal("bucket", bucket, "3 to 63 of a-z, 0-9, '.' and '-'")
        }
        guard addressing == .path || !bucket.contains(".") || scheme == "http" else {
            throw Self.refusal(
                "bucket", bucket, "a name with dots has no certificate; address it by path")
        }
        guard addressing == .path || !Self.isAddress(authority) else {
            throw Self.refusal("endpoint", endpoint, "an address has no names below it; use a name")
        }
        if let storageClass, !Self.isHeaderWord(storageClass) {
            throw Self.refusal("storage class", storageClass, "such as STANDARD_IA")
        }
        if case .kms(let keyID?) = encryption, !Self.isHeaderWord(keyID) {
            throw Self.refusal("KMS key", keyID, "a key's id or ARN")
        }
        self.endpoint = "\(scheme)://\(authority)"
        self.region = region
        self.bucket = bucket
        self.prefix = prefix
        self.addressing = addressing
        self.storageClass = storageClass
        self.encryption = encryption
        self.hasConditionalPut = hasConditionalPut
        host = addressing == .host ? "\(bucket).\(authority)" : authority
        origin = "\(scheme)://\(host)"
        root = addressing == .host ? "" : "/\(bucket)"
    }

    /// What is said of the bucket in messages.
    var place: String { "bucket \(bucket) at \(endpoint)" }

    /// Scheme and authority in lower case; the port only where it is not the scheme's own, because
    /// that is what the `Host` header says.
    private static func parse(
        endpoint: String
    ) throws(ObjectStoreError) -> (scheme: String, authority: String) {
        let text = endpoint.lowercased()
        // A password is not said again.
        let shown = endpoint.split(separator: "@").last.map(String.init) ?? endpoint
        let refusal = refusal("endpoint", shown, "http or https, a host and perhaps a port")
        guard let scheme = ["https", "http"].first(where: { text.hasPrefix("\($0)://") }) else {
            throw refusal
        }
        var rest = text.dropFirst(scheme.count + 3)
        if rest.last == "/" { rest = rest.dropLast() }
        let isV6 = rest.first == "["
        let bracket = rest.firstIndex(of: "]").map { rest.index(after: $0) }
        let end = isV6 ? bracket : rest.firstIndex(of: ":")
        guard !isV6 || end != nil else { throw refusal }
        let name = rest[..<(end ?? rest.endIndex)]
        let tail = rest[(end ?? rest.endIndex)...]
        let isName = name.utf8.allSatisfy { byte in
            isWordByte(byte) || (isV6 && (byte == 0x3a || byte == 0x5b || byte == 0x5d))
        }
        guard !name.isEmpty, name.utf8.count <= 253, isName else { throw refusal }
        if tail.isEmpty { return (scheme, String(name)) }
        guard tail.first == ":", let port = UInt16(tail.dropFirst()), port > 0 else {
            throw refusal
        }
        let isDefault = port == (scheme == "https" ? 443 : 80)
        return (scheme, isDefault ? String(name) : "\(name):\(port)")
    }

    /// Whether it is an IP address, with or without a port.
    private static func isAddress(_ authority: String) -> Bool {
        authority.first == "["
            || authority.prefix { $0 != ":" }.allSatisfy { $0.isNumber || $0 == "." }
    }

    private static func isBucketName(_ name: String) -> Bool {
        let bytes = Array(name.utf8)
        guard (3...63).contains(bytes.count), let first = bytes.first, let last = bytes.last,
            isLowerOrDigit(first), isLowerOrDigit(last), !name.contains("..")
        else { return false }
        return bytes.allSatisfy { isLowerOrDigit($0) || $0 == 0x2d || $0 == 0x2e }
    }

    private static func isLowerOrDigit(_ byte: UInt8) -> Bool {
        (0x61...0x7a).contains(byte) || (0x30...0x39).contains(byte)
    }

    /// Letters, digits, `.`, `-` and `_`.
    private static func isWordByte(_ byte: UInt8) -> Bool {
        isLowerOrDigit(byte) || (0x41...0x5a).contains(byte) || [0x2d, 0x2e, 0x5f].contains(byte)
    }

    private static func isHeaderWord(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 256
            && text.utf8.allSatisfy { isWordByte($0) || $0 == 0x3a || $0 == 0x2f }
    }

    private static func refusal(
        _ what: String, _ value: String, _ hint: String
    ) -> ObjectStoreError {
        ObjectStoreError(
            code: .invalidConfiguration,
            message: "not usable as a bucket's \(what): \(value.prefix(100).debugDescription); "
                + hint)
    }
}
