import Glibc
import HTTP
public import ObjectStore
import Platform

/// A bucket in memory that holds whoever has a signed URL to what was signed, or lets pass what it is
/// told to: what providers do, each in its own way.
///
/// Requests that are signed by header are its owner's and pass unseen; there are no uploads in parts.
public final class EnforcingBucket: Sendable {
    /// What a provider may hold people to, named as the checks of `berth bucket test`.
    public enum Rule: String, Sendable, CaseIterable {
        /// The body is the one whose hash was signed.
        case payloadHash = "payload-hash"
        /// `If-None-Match: *` keeps what is there.
        case overwrite
        /// A header that was signed is sent.
        case signedHeaders = "signed-headers"
        /// The signature is the right one.
        case signature
        /// The URL is for this object.
        case name
        /// The URL is for this method.
        case method
        /// The URL's time is not over.
        case expiry
    }

    private static let bucket = "enforced"

    /// What its owner signs with.
    public let credentials = S3Credentials(
        accessKeyID: "ENFORCED", secretKey: SecretBytes("an enforced secret".utf8))
    private let rules: Set<Rule>
    private let meanwhile: @Sendable () async -> Void
    private let objects = Locked<[String: [UInt8]]>([:])

    /// - Parameters:
    ///   - missing: the rules that it does not hold anybody to.
    ///   - meanwhile: what happens elsewhere before each request is answered.
    public init(
        without missing: Set<Rule> = [], meanwhile: @escaping @Sendable () async -> Void = {}
    ) {
        self.meanwhile = meanwhile
        rules = Set(Rule.allCases).subtracting(missing)
    }

    /// Runs `body` while the bucket can be reached at the port that it is told.
    public func serve<Answer: Sendable>(
        _ body: @Sendable (Int) async throws -> Answer
    ) async throws -> Answer {
        var options = HTTPServerOptions()
        options.bodyLimitBytes = 64 << 20
        let server = try HTTPServer(options: options) { [self] request, stream in
            await answer(request, stream)
        }
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            defer { group.cancelAll() }
            return try await body(Int(server.port))
        }
    }

    /// How it is reached at a port: its own, or a proxy's.
    public static func configuration(port: Int) throws -> S3Configuration {
        try S3Configuration(
            endpoint: "http://127.0.0.1:\(port)", region: "us-east-1", bucket: bucket,
            hasConditionalPut: true)
    }

    private struct Refusal: Error {
        let status: Int
        let code: String
    }

    private func answer(_ request: HTTPRequest, _ stream: HTTPBodyStream) async -> HTTPResponse {
        await meanwhile()
        do {
            let body = try await stream.collect(limitBytes: 64 << 20)
            if request.queryValue("X-Amz-Signature") != nil {
                try check(request, body)
            } else if request.method == "PUT" {
                try checkOwners(request, body)
            }
            return try act(request, body)
        } catch let refusal as Refusal {
            let text = "<Error><Code>\(refusal.code)</Code></Error>"
            return HTTPResponse(
                status: refusal.status, body: request.method == "HEAD" ? .empty : .text(text))
        } catch {
            return HTTPResponse(status: 500)
        }
    }

    // MARK: What is held to

    private func check(_ request: HTTPRequest, _ body: [UInt8]) throws {
        guard let date = request.queryValue("X-Amz-Date").flatMap(Self.seconds),
            let length = request.queryValue("X-Amz-Expires").flatMap({ Int64($0) }),
            let key = key(of: request)
        else { throw Refusal(status: 400, code: "AuthorizationQueryParametersError") }
        var now = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &now)
        if rules.contains(.expiry), Int64(now.tv_sec) > date + length {
            throw Refusal(status: 403, code: "AccessDenied")
        }
        if rules.contains(.signature), try !isSigned(request, key, date, length) {
            throw Refusal(status: 403, code: "SignatureDoesNotMatch")
        }
        if rules.contains(.payloadHash), let hash = request.headers["x-amz-content-sha256"],
            hash != Self.hex(Digest.sha256(body))
        {
            throw Refusal(status: 400, code: "XAmzContentSHA256Mismatch")
        }
    }

    /// The owner's own bodies are bound by their hash and by MD5, which old providers verify.
    private func checkOwners(_ request: HTTPRequest, _ body: [UInt8]) throws {
        guard request.headers["x-amz-content-sha256"] == Self.hex(Digest.sha256(body)),
            request.headers["Content-MD5"]?.utf8.count == 24
        else { throw Refusal(status: 400, code: "BadDigest") }
    }

    /// Whether its owner signs the same URL for the same request, or for one that differs in what
    /// nobody is held to.
    private func isSigned(
        _ request: HTTPRequest, _ key: String, _ date: Int64, _ length: Int64
    ) throws -> Bool {
        var headers = HTTPHeaders()
        for name in (request.queryValue("X-Amz-SignedHeaders") ?? "").split(separator: ";")
        where name != "host" {
            guard
                let value = request.headers[String(name)]
                    ?? (rules.contains(.signedHeaders) ? nil : "*")
            else { return false }
            headers.append(String(name), value)
        }
        let port = request.headers["Host"]?.split(separator: ":").last.flatMap { Int($0) } ?? 80
        let signer = S3Signer(
            configuration: try Self.configuration(port: port), credentials: credentials)
        let names = rules.contains(.name) ? [key] : [key] + objects.withLock { Array($0.keys) }
        let methods = rules.contains(.method) ? [request.method] : ["GET", "PUT", "DELETE"]
        for name in names {
            for method in methods {
                let url = signer.presign(
                    method: method, name: try ObjectName(name), expires: .seconds(length),
                    headers: headers, at: UTCTime(millisecondsSinceEpoch: date * 1000))
                if url.hasSuffix("X-Amz-Signature=\(request.queryValue("X-Amz-Signature") ?? "")") {
                    return true
                }
            }
        }
        return false
    }

    // MARK: What is done

    private func act(_ request: HTTPRequest, _ body: [UInt8]) throws -> HTTPResponse {
        guard let key = key(of: request) else { return list(request) }
        switch request.method {
        case "PUT":
            let keeps = rules.contains(.overwrite) && request.headers["If-None-Match"] == "*"
            let isKept = objects.withLock { objects -> Bool in
                if keeps, objects[key] != nil { return true }
                objects[key] = body
                return false
            }
            if isKept { throw Refusal(status: 412, code: "PreconditionFailed") }
            return HTTPResponse(status: 200, headers: ["ETag": "\"e\""])
        case "DELETE":
            objects.withLock { $0[key] = nil }
            return HTTPResponse(status: 204)
        default:
            guard let bytes = objects.withLock({ $0[key] }) else {
                throw Refusal(status: 404, code: "NoSuchKey")
            }
            if request.method == "HEAD" {
                return HTTPResponse(
                    status: 200, body: .stream(length: Int64(bytes.count)) { _ in })
            }
            return try get(bytes, request.headers["Range"])
        }
    }

    private func get(_ bytes: [UInt8], _ range: String?) throws -> HTTPResponse {
        guard let range else {
            return HTTPResponse(status: 200, headers: ["ETag": "\"e\""], body: .bytes(bytes))
        }
        let ends = range.dropFirst("bytes=".count)
            .split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, let first = Int(ends[0]), first < bytes.count else {
            throw Refusal(status: 416, code: "InvalidRange")
        }
        let last = min(Int(ends[1]) ?? bytes.count - 1, bytes.count - 1)
        return HTTPResponse(
            status: 206,
            headers: ["ETag": "\"e\"", "Content-Range": "bytes \(first)-\(last)/\(bytes.count)"],
            body: .bytes(Array(bytes[first...last])))
    }

    private func list(_ request: HTTPRequest) -> HTTPResponse {
        let prefix = request.queryValue("prefix") ?? ""
        let found = objects.withLock { $0.mapValues(\.count) }
            .filter { $0.key.hasPrefix(prefix) }.sorted { $0.key < $1.key }
        var text = "<ListBucketResult><IsTruncated>false</IsTruncated>"
        for (key, count) in found {
            text += "<Contents><Key>\(key)</Key><Size>\(count)</Size></Contents>"
        }
        return HTTPResponse(status: 200, body: .text(text + "</ListBucketResult>"))
    }

    /// The object that is asked for; nil for the bucket.
    private func key(of request: HTTPRequest) -> String? {
        let rest = request.pathSegments.dropFirst().joined(separator: "/")
        return rest.isEmpty ? nil : rest
    }

    private static func hex(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// The seconds since 1970 of a time like `20130524T000000Z`.
    private static func seconds(_ stamp: String) -> Int64? {
        let digits = stamp.filter(\.isNumber)
        guard stamp.utf8.count == 16, digits.utf8.count == 14 else { return nil }
        func part(_ from: Int, _ count: Int) -> Int32 {
            Int32(digits.dropFirst(from).prefix(count)) ?? 0
        }
        var time = unsafe tm()
        unsafe time.tm_year = part(0, 4) - 1900
        unsafe time.tm_mon = part(4, 2) - 1
        unsafe time.tm_mday = part(6, 2)
        unsafe time.tm_hour = part(8, 2)
        unsafe time.tm_min = part(10, 2)
        unsafe time.tm_sec = part(12, 2)
        return Int64(unsafe timegm(&time))
    }
}
