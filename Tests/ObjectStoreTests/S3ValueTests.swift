import HTTP
import Platform
import Testing

@testable import ObjectStore

/// The values that the S3 client is made of.
@Suite(.timeLimit(.minutes(1)))
struct S3ValueTests {
    private static func configuration(
        _ endpoint: String = "https://s3.example.org", bucket: String = "some-bucket",
        addressing: S3Configuration.Addressing = .path
    ) throws -> S3Configuration {
        try S3Configuration(
            endpoint: endpoint, region: "us-east-1", bucket: bucket, addressing: addressing)
    }

    @Test("Path and host style make these URLs; the scheme's own port is not said")
    func addressing() throws {
        let name = try ObjectName("data/aa/bb")
        let credentials = S3Credentials(accessKeyID: "K", secretKey: SecretBytes([1]))
        let cases: [(String, S3Configuration.Addressing, String)] = [
            ("https://s3.example.org", .path, "https://s3.example.org/some-bucket/data/aa/bb"),
            ("https://S3.example.org:443/", .host, "https://some-bucket.s3.example.org/data/aa/bb"),
            ("http://[::1]:9000", .path, "http://[::1]:9000/some-bucket/data/aa/bb"),
            ("http://127.0.0.1:80", .path, "http://127.0.0.1/some-bucket/data/aa/bb"),
        ]
        for (endpoint, addressing, url) in cases {
            let configuration = try Self.configuration(endpoint, addressing: addressing)
            let signer = S3Signer(configuration: configuration, credentials: credentials)
            #expect(signer.url(of: name) == url)
        }
    }

    @Test(
        "An endpoint that is no address of a service is refused",
        arguments: [
            "", "s3.example.org", "ftp://a", "https://", "https://a/b", "https://u@a",
            "https://a:0",
            "https://a:70000", "https://a b", "https://a?b", "https://[::1", "https://a:b",
        ])
    func endpoints(text: String) {
        let error = #expect(throws: ObjectStoreError.self) { try Self.configuration(text) }
        #expect(error?.code == .invalidConfiguration)
    }

    @Test(
        "A bucket name that S3 does not have is refused",
        arguments: [
            "", "ab", "Abc", "-ab", "ab-", "a..b", "a/b", "a_b", String(repeating: "a", count: 64),
        ])
    func buckets(name: String) {
        #expect(throws: ObjectStoreError.self) { try Self.configuration(bucket: name) }
    }

    @Test("A bucket with a dot is not addressed as a host of a certificate")
    func dots() throws {
        _ = try Self.configuration(bucket: "a.bucket")
        #expect(throws: ObjectStoreError.self) {
            try Self.configuration(bucket: "a.bucket", addressing: .host)
        }
    }

    @Test("Storage class and encryption are asked for in signed headers")
    func storage() throws {
        let credentials = S3Credentials(accessKeyID: "K", secretKey: SecretBytes([1]))
        let configuration = try S3Configuration(
            endpoint: "https://a", region: "r", bucket: "bucket", storageClass: "STANDARD_IA",
            encryption: .kms(keyID: "arn:aws:kms:r:1:key/2"))
        let signer = S3Signer(configuration: configuration, credentials: credentials)
        let headers = signer.putHeaders(sha256: Digest.sha256([]), isConditional: true)
        #expect(headers["x-amz-storage-class"] == "STANDARD_IA")
        #expect(headers["x-amz-server-side-encryption"] == "aws:kms")
        #expect(
            headers["x-amz-server-side-encryption-aws-kms-key-id"] == "arn:aws:kms:r:1:key/2")
        #expect(headers["if-none-match"] == "*")
        #expect(headers["x-amz-content-sha256"] == S3Bucket.emptyPayload)
        #expect(throws: ObjectStoreError.self) {
            try S3Configuration(
                endpoint: "https://a", region: "r", bucket: "bucket", storageClass: "A\r\nB: c")
        }
    }

    @Test("Large objects go in parts of 8 MiB from 64 MiB on, with bounds on time")
    func options() {
        let options = S3Options()
        #expect(options.multipartThresholdBytes == 64 << 20 && options.partBytes == 8 << 20)
        #expect(options.deadline(bodyBytes: 64 << 20) == .seconds(60 + 1024))
        #expect(options.stallTimeout == .seconds(30) && options.connectTimeout == .seconds(10))
    }

    @Test("Keys of listings are decoded as providers write them")
    func decoding() {
        #expect(S3Text.decoded("a%2Fb+c%20d") == "a/b c d")
        #expect(S3Text.decoded("%E1%88%B4") == "\u{1234}")
        #expect(S3Text.decoded("plain/key") == "plain/key")
        for broken in ["%", "%2", "%zz", "%ff"] { #expect(S3Text.decoded(broken) == nil) }
    }

    @Test("Base64 is that of RFC 4648")
    func base64() {
        let cases = [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
        ]
        for (plain, text) in cases { #expect(S3Text.base64(Array(plain.utf8)) == text) }
        #expect(S3Text.base64([0xfb, 0xff, 0xfe]) == "+//+")
    }

    @Test("Dates of answers are read, and nothing else is taken for one")
    func dates() {
        #expect(
            HTTPDate.parse("Fri, 24 May 2013 00:00:00 GMT")?.description
                == "2013-05-24T00:00:00.000Z")
        #expect(
            HTTPDate.parse("Thu, 29 Feb 2024 23:59:58 GMT")?.description
                == "2024-02-29T23:59:58.000Z")
        for text in ["", "now", "Fri, 24 May 2013", "Fri, 24 Mai 2013 00:00:00 GMT"] {
            #expect(HTTPDate.parse(text) == nil)
        }
    }

    @Test("MD5 is that of RFC 1321")
    func md5() {
        let cases = [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("abc", "900150983cd24fb0d6963f7d28e17f72"),
        ]
        for (text, digest) in cases {
            #expect(PayloadDigest(of: Array(text.utf8)).md5.map { S3Text.hex($0) } == digest)
        }
    }

    // MARK: XML

    @Test("A document is read with its text, its nesting, and without its namespaces")
    func documents() throws {
        let text = """
            <?xml version="1.0"?><a:R xmlns:a="http://x/"><K>one &amp; &lt;two&gt; &#x1234;</K>
            <C><K>in</K></C><C/></a:R>
            """
        let root = try XMLElement.parse(Array(text.utf8))
        #expect(root.name == "R")
        #expect(root["K"] == "one & <two> \u{1234}")
        #expect(root.all("C").count == 2)
        #expect(root.all("C").first?["K"] == "in")
        #expect(root["missing"] == nil)
        #expect(XMLElement.escaped("<&>\"") == "&lt;&amp;&gt;\"")
    }

    @Test(
        "A document that could do harm, or is none, is refused",
        arguments: [
            "", "{}", "<a>", "<a></b>", "<a/><b/>",
            "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>",
            "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>",
            "<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><a>&b;</a>",
            String(repeating: "<a>", count: 100) + String(repeating: "</a>", count: 100),
            "<a>" + String(repeating: "<b/>", count: 100_001) + "</a>",
        ])
    func hostile(text: String) {
        let error = #expect(throws: ObjectStoreError.self) {
            try XMLElement.parse(Array(text.utf8))
        }
        #expect(error?.code == .failed)
    }

    // MARK: refusals

    private func refused(
        _ status: Int, _ code: String, headers: HTTPHeaders = [:]
    ) throws -> ObjectStoreError {
        let body = "<Error><Code>\(code)</Code><Message>m</Message></Error>"
        return S3Refusal(
            status: status, headers: headers, body: code.isEmpty ? [] : Array(body.utf8),
            sent: UTCTime(millisecondsSinceEpoch: 1_369_353_600_000)
        ).error("try", try Self.configuration())
    }

    @Test(
        "Refusals are told apart by code, and by status where there is none",
        arguments: [
            (500, "InternalError", ObjectStoreError.Code.unavailable),
            (503, "SlowDown", .unavailable),
            (500, "", .unavailable), (429, "", .unavailable), (408, "", .unavailable),
            (400, "RequestTimeout", .unavailable), (409, "OperationAborted", .unavailable),
            (403, "AccessDenied", .denied), (403, "", .denied), (401, "", .credentialsRefused),
            (403, "InvalidAccessKeyId", .credentialsRefused),
            (403, "SignatureDoesNotMatch", .credentialsRefused),
            (400, "ExpiredToken", .credentialsRefused), (403, "RequestTimeTooSkewed", .clockSkew),
            (404, "NoSuchBucket", .bucketMissing), (404, "NoSuchKey", .notFound),
            (404, "", .notFound), (400, "BadDigest", .digest),
            (400, "XAmzContentSHA256Mismatch", .digest),
            (412, "PreconditionFailed", .alreadyExists),
            (416, "InvalidRange", .outOfRange), (507, "", .full), (403, "QuotaExceeded", .full),
            (301, "PermanentRedirect", .failed), (307, "", .failed),
            (501, "NotImplemented", .failed),
            (400, "AuthorizationHeaderMalformed", .failed), (418, "", .failed),
        ])
    func classes(status: Int, code: String, expected: ObjectStoreError.Code) throws {
        let error = try refused(status, code)
        #expect(error.code == expected)
        #expect((error.cause as? S3Refusal)?.status == status)
        #expect(error.message.contains("https://s3.example.org"))
    }

    @Test("What pauses a bucket, what is tried again and what is final")
    func failureClasses() throws {
        #expect(try refused(503, "SlowDown").failureClass == .retryable)
        for code in ["NoSuchBucket", "InvalidAccessKeyId", "RequestTimeTooSkewed"] {
            #expect(try refused(403, code).failureClass == .pausing)
        }
        for code in ["AccessDenied", "BadDigest", "NoSuchKey"] {
            #expect(try refused(400, code).failureClass == .terminal)
        }
    }

    @Test(
        "Clocks that differ are named with the difference, also where the provider does not say so")
    func skew() throws {
        let late: HTTPHeaders = ["Date": "Fri, 24 May 2013 00:20:00 GMT"]
        let said = try refused(403, "RequestTimeTooSkewed", headers: late)
        #expect(
            said.message.contains("the clock of this machine is 1200 s behind that of https://"))
        let unsaid = try refused(403, "SignatureDoesNotMatch", headers: late)
        #expect(unsaid.code == .clockSkew)
        let early: HTTPHeaders = ["Date": "Thu, 23 May 2013 23:00:00 GMT"]
        #expect(try refused(403, "", headers: early).message.contains("3600 s ahead of"))
        let near: HTTPHeaders = ["Date": "Fri, 24 May 2013 00:00:09 GMT"]
        #expect(
            try refused(403, "SignatureDoesNotMatch", headers: near).code == .credentialsRefused)
    }

    @Test("Content ranges are read strictly")
    func contentRanges() {
        let range = S3Download.contentRange("bytes 5-9/20")
        #expect(range?.first == 5 && range?.last == 9 && range?.total == 20)
        #expect(S3Download.contentRange("bytes 5-9/*")?.total == nil)
        for text in ["", "bytes", "bytes */20", "bytes 9-5/20", "bytes a-b/c", "items 1-2/3"] {
            #expect(S3Download.contentRange(text) == nil, "\(text)")
        }
    }
}
