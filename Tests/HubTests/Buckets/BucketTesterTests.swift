import ObjectStore
import Platform
import Shared
import Testing

@testable import Hub

@Suite("A bucket's test", .timeLimit(.minutes(1)))
struct BucketTesterTests {
    @Test("tells at once that nobody is at the endpoint, without the patience of backups")
    func nobody() async throws {
        let store = try S3Store(
            S3Configuration(endpoint: "http://127.0.0.1:1", region: "us-east-1", bucket: "none"),
            credentials: S3Credentials(accessKeyID: "K", secretKey: SecretBytes([1])))
        let clock = ContinuousClock()
        let begin = clock.now
        let error = await #expect(throws: ObjectStoreError.self) {
            try await BucketTester(
                store: store, s3: store, now: Timestamp(milliseconds: 1_900_000_000_000)
            ).run()
        }
        #expect(clock.now - begin < .seconds(20))
        #expect(error?.code == .unavailable)
        #expect("\(error as Any)".contains("127.0.0.1:1"))
    }
}
