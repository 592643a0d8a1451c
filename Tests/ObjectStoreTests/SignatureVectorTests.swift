import HTTP
import Platform
import Testing

@testable import ObjectStore

/// Signatures against the examples that Amazon publishes: the "AWS Signature Version 4 test suite" and
/// the examples of the S3 documentation.
@Suite(.timeLimit(.minutes(1)))
struct SignatureVectorTests {
    /// One request of the test suite of 2015-08-30 and the signature that it must have.
    struct Vector: Sendable, CustomTestStringConvertible {
        let name: String
        var method = "GET"
        var path = "/"
        var query: [(name: String, value: String)] = []
        var headers: [(name: String, value: String)] = []
        var payload = S3Bucket.emptyPayload
        let signature: String

        var testDescription: String { name }

        static let unreserved =
            "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

        static let all: [Vector] = [
            Vector(
                name: "get-vanilla",
                signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            Vector(
                name: "get-vanilla-query",
                signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            Vector(
                name: "get-vanilla-empty-query-key", query: [("Param1", "value1")],
                signature: "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"),
            Vector(
                name: "get-vanilla-query-order-key-case",
                query: [("Param2", "value2"), ("Param1", "value1")],
                signature: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
            Vector(
                name: "get-vanilla-query-order-value",
                query: [("Param1", "value2"), ("Param1", "value1")],
                signature: "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694"),
            Vector(
                name: "get-vanilla-query-order-encoded",
                query: [("Param-3", "Value3"), ("Param", "Value2"), ("\u{1234}", "Value1")],
                signature: "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac"),
            Vector(
                name: "get-vanilla-query-unreserved", query: [(unreserved, unreserved)],
                signature: "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"),
            Vector(
                name: "get-vanilla-utf8-query", query: [("\u{1234}", "bar")],
                signature: "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"),
            Vector(
                name: "get-unreserved", path: "/" + unreserved,
                signature: "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"),
            Vector(
                name: "get-utf8", path: "/\u{1234}",
                signature: "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
            Vector(
                name: "get-space", path: "/example space/",
                signature: "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"),
            Vector(
                name: "get-slashes-unnormalized", path: "//example//",
                signature: "87cca117541a147f6df867677d98a7d80dff226d2bfca9e4ffa899665623c7e5"),
            Vector(
                name: "get-header-key-duplicate",
                headers: [
                    ("My-Header1", "value2"), ("My-Header1", "value2"), ("My-Header1", "value1"),
                ],
                signature: "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"),
            Vector(
                name: "get-header-value-trim",
                headers: [("My-Header1", " value1"), ("My-Header2", " \"a   b   c\"")],
                signature: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"),
            Vector(
                name: "post-vanilla", method: "POST",
                signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
            Vector(
                name: "post-vanilla-query", method: "POST", query: [("Param1", "value1")],
                signature: "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"),
            Vector(
                name: "post-x-www-form-urlencoded", method: "POST",
                headers: [("Content-Type", "application/x-www-form-urlencoded")],
                payload: "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e",
                signature: "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"),
        ]
    }

    private static let secret = SecretBytes("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".utf8)

    @Test("The test suite's requests get the test suite's signatures", arguments: Vector.all)
    func suite(vector: Vector) {
        let signed = SignatureVersion4(
            time: "20150830T123600Z", method: vector.method,
            path: S3Text.encoded(vector.path, keepsSlash: true), query: vector.query,
            headers: vector.headers + [
                ("Host", "example.amazonaws.com"), ("X-Amz-Date", "20150830T123600Z"),
            ], payload: vector.payload)
        var digest = Digest()
        let key = SignatureKey(
            secret: Self.secret, day: "20150830", region: "us-east-1", service: "service", &digest)
        let signature = key.withHMAC(&digest) { signed.signature(key, $0, &$1) }
        #expect(signature == vector.signature, "\(signed.canonicalRequest)")
    }

    @Test("What the suite says between the steps: canonical request and string to sign")
    func steps() {
        let signed = SignatureVersion4(
            time: "20150830T123600Z", method: "GET", path: "/",
            query: [("Param2", "value2"), ("Param1", "value1")],
            headers: [("X-Amz-Date", "20150830T123600Z"), ("Host", "example.amazonaws.com")],
            payload: S3Bucket.emptyPayload)
        #expect(
            signed.canonicalRequest
                == "GET\n/\nParam1=value1&Param2=value2\nhost:example.amazonaws.com\n"
                + "x-amz-date:20150830T123600Z\n\nhost;x-amz-date\n" + S3Bucket.emptyPayload)
        var digest = Digest()
        let text = signed.stringToSign(
            scope: "20150830/us-east-1/service/aws4_request", &digest)
        #expect(
            String(decoding: text, as: UTF8.self)
                == "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/service/aws4_request\n"
                + "816cd5b414d056048ba4f7c5386d6e0533120fb1fcfa93762cf0fc39e2cf19e0")
    }

    @Test("HMAC-SHA256 gives the codes of RFC 4231, also for a key longer than a block")
    func hmac() {
        var digest = Digest()
        let cases: [([UInt8], String, String)] = [
            (
                [UInt8](repeating: 0x0b, count: 20), "Hi There",
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
            ),
            (
                Array("Jefe".utf8), "what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
            ),
            (
                [UInt8](repeating: 0xaa, count: 131),
                "Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
            ),
        ]
        for (key, message, code) in cases {
            let hmac = HMACKey(key, &digest)
            #expect(S3Text.hex(hmac.code(Array(message.utf8), &digest)) == code)
        }
    }

    // MARK: the examples of the S3 documentation, bucket `examplebucket`, 2013-05-24

    /// The instant 2013-05-24T00:00:00Z.
    private static let may24 = UTCTime(millisecondsSinceEpoch: 1_369_353_600_000)

    private func signer() throws -> S3Signer {
        S3Signer(
            configuration: try S3Configuration(
                endpoint: "https://s3.amazonaws.com", region: "us-east-1", bucket: "examplebucket",
                addressing: .host),
            credentials: S3Credentials(
                accessKeyID: "AKIAIOSFODNN7EXAMPLE",
                secretKey: SecretBytes("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".utf8)))
    }

    private func signature(_ headers: HTTPHeaders) -> String? {
        headers["Authorization"]?.split(separator: "Signature=").last.map(String.init)
    }

    @Test("The documentation's GET of a range, listings, and PUT with an odd key")
    func documentation() throws {
        let signer = try signer()
        let get = signer.sign(
            "GET", name: "test.txt", query: [], headers: ["Range": "bytes=0-9"],
            payload: S3Bucket.emptyPayload, at: Self.may24)
        #expect(get.url == "https://examplebucket.s3.amazonaws.com/test.txt")
        #expect(
            get.headers["Authorization"]
                == "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/"
                + "aws4_request, SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
                + "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")
        let put = signer.sign(
            "PUT", name: "test$file.text", query: [],
            headers: [
                "Date": "Fri, 24 May 2013 00:00:00 GMT",
                "x-amz-storage-class": "REDUCED_REDUNDANCY",
            ], payload: S3Text.hex(Digest.sha256(Array("Welcome to Amazon S3.".utf8))),
            at: Self.may24)
        #expect(put.url.hasSuffix("/test%24file.text"))
        #expect(
            signature(put.headers)
                == "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd")
        let lifecycle = signer.sign(
            "GET", name: nil, query: [("lifecycle", "")], headers: [:],
            payload: S3Bucket.emptyPayload, at: Self.may24)
        #expect(lifecycle.url == "https://examplebucket.s3.amazonaws.com/?lifecycle=")
        #expect(
            signature(lifecycle.headers)
                == "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")
        let list = signer.sign(
            "GET", name: nil, query: [("prefix", "J"), ("max-keys", "2")], headers: [:],
            payload: S3Bucket.emptyPayload, at: Self.may24)
        #expect(
            signature(list.headers)
                == "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")
    }

    @Test("The documentation's presigned URL")
    func presigned() throws {
        let url = try signer().presign(
            method: "GET", name: ObjectName("test.txt"), expires: .seconds(86400), at: Self.may24)
        #expect(
            url == "https://examplebucket.s3.amazonaws.com/test.txt"
                + "?X-Amz-Algorithm=AWS4-HMAC-SHA256"
                + "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
                + "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
                + "&X-Amz-Signature="
                + "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404")
    }

    @Test("A batch of URLs is the same as each of them alone, and a session token is signed")
    func batch() throws {
        let configuration = try S3Configuration(
            endpoint: "http://127.0.0.1:9000", region: "eu-1", bucket: "some-bucket",
            prefix: ObjectPrefix("a/b/"))
        let signer = S3Signer(
            configuration: configuration,
            credentials: S3Credentials(
                accessKeyID: "K", secretKey: SecretBytes("S".utf8),
                sessionToken: SecretBytes("a+b/c=".utf8)))
        let headers = signer.putHeaders(sha256: Digest.sha256([1]), isConditional: true)
        let requests = try (0..<20).map { index in
            S3Signer.Presign(
                method: "PUT", name: try ObjectName("data/aa/\(index)"), headers: headers)
        }
        let urls = signer.presign(requests, expires: .seconds(300), at: Self.may24)
        for (request, url) in zip(requests, urls) {
            let single = signer.presign(
                method: "PUT", name: request.name, expires: .seconds(300), headers: headers,
                at: Self.may24)
            #expect(url == single)
            #expect(url.hasPrefix("http://127.0.0.1:9000/some-bucket/a/b/data/aa/"))
            #expect(url.contains("X-Amz-Security-Token=a%2Bb%2Fc%3D&"))
            #expect(
                url.contains(
                    "X-Amz-SignedHeaders=host%3Bif-none-match%3Bx-amz-content-sha256&"))
        }
        #expect(Set(urls).count == 20)
    }
}
