import Platform
import S3TestSupport
import Shared
import Testing

/// A provider that holds hosts to the URLs that they are handed: Ceph's object gateway
/// (`make test-rgw`).
@Suite("Backups on Ceph", .serialized, .enabled(if: S3Server.Kind.isGatewayTested))
struct EnforcingBucketTests {
    @Test(
        "go by signed URLs, because the bucket's own test found them enforced",
        .timeLimit(.minutes(8)))
    func presigned() async throws {
        let bucket = try await BucketFixture.start(.rgw)
        try await Fleet.run(hosts: 2) { fleet in
            try await fleet.useBucket(bucket)
            let tested = try await fleet.document("bucket", "test", "objects")
            #expect(tested["grantMode"] == .string("presigned"))
            guard case .array(let checks)? = tested["test"]?["checks"] else {
                Issue.record("no checks: \(tested)")
                return
            }
            #expect(checks.count >= 14)
            #expect(checks.allSatisfy { $0["passed"] == .bool(true) }, "\(checks)")
            let shown = try await fleet.done("bucket", "show", "objects")
            #expect(shown.contains("presigned"), "\(shown)")

            try await fleet.done("project", "create", "notes", "--host", "host-1")
            try await fleet.done("project", "start", "notes")
            for name in ["first", "second"] {
                let before = bucket.proxy.log.count
                try await fleet.done(
                    "project", "exec", "notes", "--root", "--", "sh", "-c",
                    "head -c 40000000 /dev/urandom > \(name)")
                try await fleet.done("backup", "create", "notes")
                // Packs come from the host, each by a URL of its own; the rest from the hub.
                let puts = bucket.proxy.log.dropFirst(before).filter { $0.method == "PUT" }
                let packs = puts.filter { $0.target.contains("/data/") }
                #expect(packs.count >= 2 && packs.allSatisfy { $0.isSigned }, "\(puts)")
                #expect(puts.contains { $0.target.contains("/snapshots/") && !$0.isSigned })
            }
            let volume = try await fleet.volume("notes", on: "host-1")
            let tree = try await fleet.listing(volume).inner
            let before = bucket.proxy.log.count
            try await fleet.done("project", "move", "notes", "--to", "host-2", "--yes")
            let moved = try await fleet.volume("notes", on: "host-2")
            #expect(try await fleet.listing(moved).inner == tree)
            try await fleet.done(
                "project", "exec", "notes", "--root", "--", "sh", "-c", "rm first second")
            try await fleet.done("backup", "restore", "notes", "--yes")
            #expect(try await fleet.listing(moved).inner == tree)
            let reads = bucket.proxy.log.dropFirst(before).filter {
                $0.method == "GET" && $0.target.contains("/data/")
            }
            #expect(reads.contains { $0.isSigned })
            try await fleet.judge("notes", at: bucket)
            try await fleet.expectNoSecret(bucket)
        }
        bucket.stop()
    }
}

extension ProxiedRequest {
    /// Whether the request is authorised by its URL.
    var isSigned: Bool { target.contains("X-Amz-Signature=") }
}
