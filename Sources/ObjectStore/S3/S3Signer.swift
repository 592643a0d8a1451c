public import HTTP
public import Platform

/// Signs requests to one bucket: with a header, or as URLs that anybody may use until they expire.
public struct S3Signer: Sendable {
    /// A request that a URL is to stand for.
    public struct Presign: Sendable {
        /// The method, such as `GET`.
        public let method: String
        /// The object.
        public let name: ObjectName
        /// Headers that are signed: who uses the URL sends exactly these.
        public let headers: HTTPHeaders
        /// Further pairs of the query, not encoded.
        public let query: [(name: String, value: String)]

        /// - Parameters:
        ///   - method: the method.
        ///   - name: the object.
        ///   - headers: what the user of the URL must send, default nothing; a value of
        ///     `x-amz-content-sha256` binds the body.
        ///   - query: further pairs of the query, default none.
        public init(
            method: String, name: ObjectName, headers: HTTPHeaders = [:],
            query: [(name: String, value: String)] = []
        ) {
            self.method = method
            self.name = name
            self.headers = headers
            self.query = query
        }
    }

    /// The longest that a presigned URL may hold: 7 days.
    public static let expiryLimit = Duration.seconds(604_800)
    /// The payload hash of a request whose body is not bound.
    public static let unsignedPayload = "UNSIGNED-PAYLOAD"

    private let configuration: S3Configuration
    private let credentials: S3Credentials
    private let service: String
    private let today = Locked<(day: String, key: SignatureKey)?>(nil)

    /// - Parameters:
    ///   - configuration: the bucket.
    ///   - credentials: what to sign with.
    public init(configuration: S3Configuration, credentials: S3Credentials) {
        self.init(configuration: configuration, credentials: credentials, service: "s3")
    }

    /// For the published test vectors, which name another service.
    init(configuration: S3Configuration, credentials: S3Credentials, service: String) {
        self.configuration = configuration
        self.credentials = credentials
        self.service = service
    }

    /// The same, but for providers that take a presigned request's `x-amz-content-sha256` for a header
    /// like others (`S3Configuration.bindsPresignedPayload`).
    public var withoutPayloads: S3Signer {
        var configuration = configuration
        configuration.bindsPresignedPayload = false
        return S3Signer(configuration: configuration, credentials: credentials, service: service)
    }

    /// URLs that hold from `time` until `expires` later.
    ///
    /// - Parameters:
    ///   - requests: what the URLs stand for.
    ///   - expires: how long they hold, 1 second to 7 days, whole seconds; brought into that range.
    ///   - time: when they begin to hold, default now.
    /// - Returns: one URL a request, in their order.
    public func presign(
        _ requests: [Presign], expires: Duration, at time: UTCTime = .now()
    ) -> [String] {
        let stamp = Self.stamp(time)
        let seconds = min(max(expires, .seconds(1)), Self.expiryLimit).components.seconds
        var digest = Digest()
        let key = key(ofDay: String(stamp.prefix(8)), &digest)
        let token = credentials.sessionToken?.withBytes { String(decoding: $0, as: UTF8.self) }
        var shared: [(name: String, value: String)] = [
            ("X-Amz-Algorithm", SignatureVersion4.algorithm),
            ("X-Amz-Credential", "\(credentials.accessKeyID)/\(key.scope)"),
            ("X-Amz-Date", stamp),
            ("X-Amz-Expires", String(seconds)),
        ]
        if let token { shared.append(("X-Amz-Security-Token", token)) }
        return key.withHMAC(&digest) { hmac, digest in
            requests.map { request in
                let path = path(of: request.name.text)
                let headers =
                    [("host", configuration.host)]
                    + request.headers.fields.map { ($0.name, $0.value) }
                let hash =
                    configuration.bindsPresignedPayload
                    ? request.headers["x-amz-content-sha256"] : nil
                let names = Set(headers.map { $0.0.lowercased() }).sorted().joined(separator: ";")
                let signed = SignatureVersion4(
                    time: stamp, method: request.method, path: path,
                    query: shared + [("X-Amz-SignedHeaders", names)] + request.query,
                    headers: headers, payload: hash ?? Self.unsignedPayload)
                let signature = signed.signature(key, hmac, &digest)
                return configuration.origin + path + "?" + signed.canonicalQuery
                    + "&X-Amz-Signature=" + signature
            }
        }
    }

    /// One URL; see `presign(_:expires:at:)`, which is cheaper for many.
    public func presign(
        method: String, name: ObjectName, expires: Duration, headers: HTTPHeaders = [:],
        at time: UTCTime = .now()
    ) -> String {
        presign([Presign(method: method, name: name, headers: headers)], expires: expires, at: time)
            .joined()
    }

    /// What the PUT of an object sends beside its body, and a presigned one must sign: the body's
    /// SHA-256, storage class and encryption.
    ///
    /// - Parameters:
    ///   - sha256: the SHA-256 of the body, 32 bytes.
    ///   - isConditional: whether an object of this name is to be kept (`If-None-Match: *`).
    public func putHeaders(sha256: [UInt8], isConditional: Bool) -> HTTPHeaders {
        var headers = storageHeaders
        headers.append("x-amz-content-sha256", S3Text.hex(sha256))
        if isConditional { headers.append("if-none-match", "*") }
        return headers
    }

    /// The URL of an object, not signed.
    public func url(of name: ObjectName) -> String {
        configuration.origin + path(of: name.text)
    }

    /// Storage class and encryption of a new object.
    var storageHeaders: HTTPHeaders {
        var headers = HTTPHeaders()
        if let storageClass = configuration.storageClass {
            headers.append("x-amz-storage-class", storageClass)
        }
        switch configuration.encryption {
        case .none: break
        case .aes256: headers.append("x-amz-server-side-encryption", "AES256")
        case .kms(let keyID):
            headers.append("x-amz-server-side-encryption", "aws:kms")
            if let keyID {
                headers.append("x-amz-server-side-encryption-aws-kms-key-id", keyID)
            }
        }
        return headers
    }

    /// The path of a key below the configured prefix, encoded; the bucket itself for nil.
    func path(of name: String?) -> String {
        guard let name else { return configuration.root.isEmpty ? "/" : configuration.root }
        return configuration.root + "/"
            + S3Text.encoded(configuration.prefix.text + name, keepsSlash: true)
    }

    /// URL and headers of a request that is signed with a header.
    ///
    /// - Parameters:
    ///   - name: the key below the configured prefix; nil for the bucket.
    ///   - payload: the body's SHA-256 in hexadecimal digits, or `unsignedPayload`.
    func sign(
        _ method: String, name: String?, query: [(name: String, value: String)],
        headers: HTTPHeaders, payload: String, at time: UTCTime
    ) -> (url: String, headers: HTTPHeaders) {
        let path = path(of: name)
        var headers = headers
        headers["x-amz-content-sha256"] = payload
        let signed = authorize(
            method, path: path, query: query, headers: headers, payload: payload, at: time)
        let text = signed.query.isEmpty ? "" : "?\(signed.query)"
        return (configuration.origin + path + text, signed.headers)
    }

    /// The headers with date, session token and `Authorization`, and the canonical query.
    func authorize(
        _ method: String, path: String, query: [(name: String, value: String)],
        headers: HTTPHeaders, payload: String, at time: UTCTime
    ) -> (headers: HTTPHeaders, query: String) {
        let stamp = Self.stamp(time)
        var headers = headers
        headers["x-amz-date"] = stamp
        if let token = credentials.sessionToken {
            headers["x-amz-security-token"] = token.withBytes {
                String(decoding: $0, as: UTF8.self)
            }
        }
        let signed = SignatureVersion4(
            time: stamp, method: method, path: path, query: query,
            headers: [("host", configuration.host)] + headers.fields.map { ($0.name, $0.value) },
            payload: payload)
        var digest = Digest()
        let key = key(ofDay: String(stamp.prefix(8)), &digest)
        let signature = key.withHMAC(&digest) { signed.signature(key, $0, &$1) }
        headers["Authorization"] =
            "\(SignatureVersion4.algorithm) Credential=\(credentials.accessKeyID)/\(key.scope), "
            + "SignedHeaders=\(signed.signedHeaders), Signature=\(signature)"
        return (headers, signed.canonicalQuery)
    }

    private func key(ofDay day: String, _ digest: inout Digest) -> SignatureKey {
        if let known = today.withLock({ $0 }), known.day == day { return known.key }
        let key = SignatureKey(
            secret: credentials.secretKey, day: day, region: configuration.region,
            service: service, &digest)
        today.withLock { $0 = (day, key) }
        return key
    }

    /// `20130524T000000Z`.
    static func stamp(_ time: UTCTime) -> String {
        let text = time.description.utf8.prefix(19).filter { $0 != 0x2d && $0 != 0x3a }
        return String(decoding: text, as: UTF8.self) + "Z"
    }
}
