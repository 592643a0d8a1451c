import HTTP
import Platform
import S3TestSupport
import Testing

@testable import ObjectStore

/// What requests say, and whom they hold up.
@Suite(.timeLimit(.minutes(2)))
struct S3RequestTests {
    /// A body that comes in one piece.
    private final class Once: Sendable {
        private let bytes: Locked<[UInt8]?>

        init(_ bytes: [UInt8]) {
            self.bytes = Locked(bytes)
        }

        func take() -> [UInt8]? { bytes.withLock { $0.take() } }
    }

    @Test("Every PUT says its SHA-256 and its MD5")
    func digests() async throws {
        let bucket = EnforcingBucket()
        let place = try TemporaryDirectory()
        let bytes = Random.bytes(1 << 20)
        try DurableFile.write(bytes, to: place.path + "/file")
        let half = bytes.count / 2
        let once = Once(Array(bytes[..<half]))
        try await bucket.serve { port in
            let store = try S3Store(
                EnforcingBucket.configuration(port: port), credentials: bucket.credentials,
                options: .quick)
            let bodies: [ObjectBody] = [
                .bytes(bytes), .pieces([Array(bytes[..<half]), Array(bytes[half...])]),
                .file(path: place.path + "/file", bytes: Int64(bytes.count), sha256: nil),
                .stream(bytes: Int64(half), sha256: nil, next: { once.take() }),
            ]
            for (number, body) in bodies.enumerated() {
                #expect(try await store.put(ObjectName("data/\(number)"), body))
            }
        }
    }

    @Test("Who takes a download slowly holds up nobody else")
    func relays() async throws {
        let bucket = EnforcingBucket()
        try await bucket.serve { port in
            var options = S3Options.quick
            options.requestsAtOnce = 1
            let store = try S3Store(
                EnforcingBucket.configuration(port: port), credentials: bucket.credentials,
                options: options)
            let name = try ObjectName("data/aa/one")
            try await store.put(name, .bytes([1, 2, 3]))
            try await withThrowingTaskGroup(of: Void.self) { group in
                defer { group.cancelAll() }
                for _ in 0..<4 {
                    group.addTask {
                        try await store.stream(name, range: nil) { _ in
                            try await ContinuousClock().sleep(for: .seconds(3600))
                        }
                    }
                }
                try await eventually("a download is being taken") {
                    store.bucket.relays.freeCount == 0
                }
                #expect(try await store.get(name, limitBytes: 3) == [1, 2, 3])
                #expect(try await store.put(ObjectName("data/aa/two"), .bytes([4])))
            }
        }
    }

    @Test(
        "Storage class and encryption are the provider's, however an object is put",
        arguments: ["one", "parts"])
    func storage(how: String) async throws {
        let server = try await TestBuckets.shared.server(.moto)
        let plain = try await TestBuckets.shared.store(.moto)
        let configuration = try S3Configuration(
            endpoint: server.endpoint, region: "us-east-1", bucket: plain.configuration.bucket,
            storageClass: "STANDARD_IA", encryption: .aes256)
        var options = S3Options.quick
        if how == "parts" {
            options.multipartThresholdBytes = 6 << 20
            options.partBytes = 5 << 20
        }
        let store = try S3Store(
            configuration, credentials: server.credentials, options: options)
        let name = try ObjectName("data/aa/\(how)")
        try await store.put(name, .bytes(Random.bytes(how == "one" ? 1000 : 7 << 20)))
        let head = try await store.exchange("HEAD", name)
        #expect(head.headers["x-amz-storage-class"] == "STANDARD_IA")
        #expect(head.headers["x-amz-server-side-encryption"] == "AES256")
    }
}
