import ObjectStore
import Platform
import Shared

/// Tries out what a bucket does: whether backups can be kept in it, and whether its provider holds
/// whoever has a signed URL to what was signed.
///
/// Everything that it writes it removes.
struct BucketTester: Sendable {
    let store: any ObjectStorage
    /// The same bucket, where it is on S3.
    let s3: S3Store?
    let now: Timestamp

    /// How long all of it may take.
    static let limit = Duration.seconds(120)

    private static let body = Array("berth tries this bucket out, and removes this".utf8)

    /// Tries everything; a failure is a finding, not an error.
    ///
    /// - Throws: `ObjectStoreError` when nobody answers: asked once, without the patience that backups
    ///   have, because somebody waits.
    func run() async throws -> BucketTest {
        if let s3 { _ = try await s3.exchange("HEAD", nil) }
        let prefix = try ObjectPrefix("probe-\(Random.hex(bytes: 8))/")
        var checks: [BucketTest.Check] = []
        do {
            checks = try await uses(prefix)
            if let s3, checks.allSatisfy(\.passed) {
                checks += try await GrantTester(s3: s3, prefix: prefix).run()
            }
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            checks.append(
                .init(name: "reachable", need: .use, passed: false, detail: "\(error)"))
        }
        await clean(prefix, &checks)
        return BucketTest(
            time: now, checks: checks,
            hasConditionalPut: checks.contains { $0.name == "overwrite" && $0.passed },
            signsPayloads: checks.first { $0.name == GrantTester.signedURLs }?.passed)
    }

    /// What every bucket must do.
    private func uses(_ prefix: ObjectPrefix) async throws -> [BucketTest.Check] {
        var checks: [BucketTest.Check] = []
        func note(_ name: String, _ passed: Bool, _ good: String, _ bad: String) {
            checks.append(
                .init(name: name, need: .use, passed: passed, detail: passed ? good : bad))
        }
        let name = try prefix.appending("object")
        try await store.put(name, .bytes(Self.body, sha256: Digest.sha256(Self.body)))
        let back = try await store.get(name, limitBytes: 4096)
        note(
            "write-and-read", back == Self.body, "what is written is read", "other bytes came back")
        let part = try await store.get(name, range: 6..<11, limitBytes: 5)
        note(
            "range", part == Array(Self.body[6..<11]), "a range is read exactly",
            "a range answers other bytes")
        let bytes = try await store.size(of: name)
        note(
            "size", bytes == Int64(Self.body.count), "an object's length is told",
            "an object's length is told as \(bytes), not \(Self.body.count)")
        let listed = try await store.list(prefix)
        note(
            "list", listed == [ObjectEntry(name: name, bytes: Int64(Self.body.count))],
            "a listing shows what was just written",
            "a listing right after a write shows \(listed.count) objects, not 1")
        try await store.delete(name)
        note(
            "delete", try await !store.exists(name), "what is deleted is gone",
            "a deleted object is still there")
        return checks
    }

    /// Removes what is left; an object that cannot be removed is a finding of its own.
    private func clean(_ prefix: ObjectPrefix, _ checks: inout [BucketTest.Check]) async {
        do {
            for entry in try await store.list(prefix) { try await store.delete(entry.name) }
        } catch {
            guard !checks.contains(where: { $0.need == .use && !$0.passed }) else { return }
            checks.append(
                .init(
                    name: "clean", need: .note, passed: false,
                    detail: "what the test wrote below \(prefix) could not be removed: \(error)"))
        }
    }
}
