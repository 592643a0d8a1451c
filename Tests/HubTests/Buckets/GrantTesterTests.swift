import ObjectStore
import Platform
import S3TestSupport
import Shared
import Testing

@testable import Hub

/// `berth bucket test` over providers each of which lets something else pass.
@Suite("What a provider holds hosts to", .timeLimit(.minutes(1)))
struct GrantTesterTests {
    private func test(without missing: Set<EnforcingBucket.Rule>) async throws -> BucketTest {
        let bucket = EnforcingBucket(without: missing)
        return try await bucket.serve { port in
            let store = try S3Store(
                EnforcingBucket.configuration(port: port), credentials: bucket.credentials)
            let tester = BucketTester(
                store: store, s3: store,
                now: Timestamp(milliseconds: UTCTime.now().millisecondsSinceEpoch))
            return try await tester.run()
        }
    }

    private func failed(_ test: BucketTest) -> [String] {
        test.checks.filter { !$0.passed }.map(\.name)
    }

    @Test("all of it: signed URLs may be handed out")
    func enforced() async throws {
        let test = try await test(without: [])
        #expect(failed(test) == [])
        #expect(test.isEnforcing && test.hasConditionalPut)
    }

    @Test(
        "all but one thing: that is found, and hosts go through the hub",
        arguments: EnforcingBucket.Rule.allCases)
    func lax(rule: EnforcingBucket.Rule) async throws {
        let test = try await test(without: [rule])
        #expect(test.isUsable && !test.isEnforcing)
        // Who takes any signature takes any name, method and time with it.
        switch rule {
        case .signature: #expect(failed(test).contains(rule.rawValue))
        default: #expect(failed(test) == [rule.rawValue])
        }
        #expect(test.hasConditionalPut == (rule != .overwrite))
    }
}
