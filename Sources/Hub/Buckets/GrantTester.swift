import HTTP
import ObjectStore
import Platform
import Shared

/// Tries out whether a provider holds whoever has a signed URL to what was signed (D10): what it
/// lets pass here, a host could do to other hosts' backups.
struct GrantTester: Sendable {
    let s3: S3Store
    let prefix: ObjectPrefix
    private var signer: S3Signer

    private static let body = Array("as it was signed".utf8)
    private static let other = Array("not as signed...".utf8)
    static let signedURLs = "signed-urls"
    private static let validity = Duration.seconds(300)

    init(s3: S3Store, prefix: ObjectPrefix) {
        self.s3 = s3
        self.prefix = prefix
        signer = s3.signer
    }

    func run() async throws -> [BucketTest.Check] {
        let works = try await works()
        var tester = self
        // Where every PUT is refused for its signature, only URLs that the provider understands tell
        // what it enforces.
        if !works.passed { tester.signer = signer.withoutPayloads }
        return [
            works, try await tester.payloadHash(), try await tester.overwrite(),
            try await tester.droppedCondition(), try await tester.tampered(),
            try await tester.otherName(), try await tester.otherMethod(),
            try await tester.expired(), try await tester.clock(),
        ]
    }

    /// A granted PUT and GET do what they should.
    private func works() async throws -> BucketTest.Check {
        let name = try prefix.appending("granted")
        let headers = putHeaders(Self.body, isConditional: false)
        let put = try await s3.exchange(
            "PUT", url: url("PUT", name, headers), headers: headers, body: Self.body)
        let get = try await s3.exchange("GET", url: url("GET", name), headers: [:], body: [])
        return check(
            Self.signedURLs, put.isDone && get.isDone && get.body == Self.body,
            "a PUT whose payload hash is signed, and a GET, work",
            "a PUT whose payload hash is signed answers \(put.status), and a GET \(get.status)")
    }

    /// A PUT of other bytes than those whose hash was signed.
    private func payloadHash() async throws -> BucketTest.Check {
        let name = try prefix.appending("hash")
        let headers = putHeaders(Self.body, isConditional: false)
        let put = try await s3.exchange(
            "PUT", url: url("PUT", name, headers), headers: headers, body: Self.other)
        let isThere = try await s3.exists(name)
        return check(
            "payload-hash", put.isRefused && !isThere,
            "other bytes than those whose hash was signed are refused (\(put.status))",
            "other bytes than those whose hash was signed are taken (\(put.status))")
    }

    /// A conditional PUT of an object that is there.
    private func overwrite() async throws -> BucketTest.Check {
        let name = try prefix.appending("once")
        let first = putHeaders(Self.body, isConditional: true)
        let made = try await s3.exchange(
            "PUT", url: url("PUT", name, first), headers: first, body: Self.body)
        let second = putHeaders(Self.other, isConditional: true)
        let again = try await s3.exchange(
            "PUT", url: url("PUT", name, second), headers: second, body: Self.other)
        let kept = try await s3.exchange("GET", url: url("GET", name), headers: [:], body: [])
        return check(
            "overwrite", made.isDone && again.isRefused && kept.body == Self.body,
            "an object that is there is not replaced (If-None-Match: *, \(again.status))",
            made.isDone
                ? "an object that is there is replaced in spite of If-None-Match: * "
                    + "(\(again.status))"
                : "a PUT with If-None-Match: * is refused (\(made.status))")
    }

    /// A PUT that leaves the signed condition out.
    private func droppedCondition() async throws -> BucketTest.Check {
        let name = try prefix.appending("once")
        let signed = putHeaders(Self.other, isConditional: true)
        let sent = putHeaders(Self.other, isConditional: false)
        let put = try await s3.exchange(
            "PUT", url: url("PUT", name, signed), headers: sent, body: Self.other)
        return check(
            "signed-headers", put.isRefused,
            "a request without a header that was signed is refused (\(put.status))",
            "a header that was signed can be left out (\(put.status))")
    }

    private func tampered() async throws -> BucketTest.Check {
        let name = try prefix.appending("granted")
        let url = url("GET", name)
        let changed = String(url.dropLast()) + (url.hasSuffix("0") ? "1" : "0")
        let get = try await s3.exchange("GET", url: changed, headers: [:], body: [])
        return check(
            "signature", get.isRefused, "a changed signature is refused (\(get.status))",
            "a changed signature is taken (\(get.status))")
    }

    /// One object's URL with another object's name.
    private func otherName() async throws -> BucketTest.Check {
        let url = url("GET", try prefix.appending("granted"))
        let changed = url.replacing("/granted?", with: "/once?")
        let get = try await s3.exchange("GET", url: changed, headers: [:], body: [])
        return check(
            "name", get.isRefused, "a URL reaches its own object only (\(get.status))",
            "one object's URL reaches another object (\(get.status))")
    }

    private func otherMethod() async throws -> BucketTest.Check {
        let url = url("GET", try prefix.appending("granted"))
        let delete = try await s3.exchange("DELETE", url: url, headers: [:], body: [])
        return check(
            "method", delete.isRefused, "a URL to read with does not delete (\(delete.status))",
            "a URL to read with also deletes (\(delete.status))")
    }

    /// A URL whose time was over a while ago, by signing it in the past.
    private func expired() async throws -> BucketTest.Check {
        let past = UTCTime(
            millisecondsSinceEpoch: UTCTime.now().millisecondsSinceEpoch - 120_000)
        let url = signer.presign(
            method: "GET", name: try prefix.appending("once"), expires: .seconds(10),
            headers: [:], at: past)
        let get = try await s3.exchange("GET", url: url, headers: [:], body: [])
        return check(
            "expiry", get.isRefused, "a URL whose time is over is refused (\(get.status))",
            "a URL whose time is over is taken (\(get.status))")
    }

    /// How far the provider's clock is from ours; past some minutes nothing works at all.
    private func clock() async throws -> BucketTest.Check {
        let head = try await s3.exchange("HEAD", try prefix.appending("once"))
        guard let offset = head.clockOffset else {
            return BucketTest.Check(
                name: "clock", need: .note, passed: true, detail: "the provider tells no time")
        }
        let seconds = offset.components.seconds
        return BucketTest.Check(
            name: "clock", need: .note, passed: abs(seconds) < 60,
            detail: "the provider's clock differs from the hub's by \(seconds) s")
    }

    private func putHeaders(_ body: [UInt8], isConditional: Bool) -> HTTPHeaders {
        signer.putHeaders(sha256: Digest.sha256(body), isConditional: isConditional)
    }

    private func url(_ method: String, _ name: ObjectName, _ headers: HTTPHeaders = [:]) -> String {
        signer.presign(method: method, name: name, expires: Self.validity, headers: headers)
    }

    private func check(
        _ name: String, _ passed: Bool, _ good: String, _ bad: String
    ) -> BucketTest.Check {
        BucketTest.Check(
            name: name, need: .grants, passed: passed, detail: passed ? good : bad)
    }
}

extension S3Exchange {
    fileprivate var isDone: Bool { (200..<300).contains(status) }

    /// A failure of the provider itself is no refusal: the next time it may do what was asked.
    fileprivate var isRefused: Bool { (400..<500).contains(status) }
}
