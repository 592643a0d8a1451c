import Platform
import S3TestSupport
import Shared
import Testing

/// A project's backups in buckets that misbehave.
@Suite("Backups on S3", .serialized)
struct BucketTests {
    private static func listing(_ fleet: isolated Fleet, _ project: String) async throws -> String {
        try await fleet.listing(try await fleet.volume(project, on: "host-1")).inner
    }

    @Test(
        "go through the hub where the provider holds nobody to a signed URL, unless that is accepted",
        .timeLimit(.minutes(5)))
    func grants() async throws {
        let bucket = try await BucketFixture.start(.rclone)
        try await Fleet.run(hosts: 1) { fleet in
            try await fleet.useBucket(bucket)
            let tested = try await fleet.document("bucket", "test", "objects")
            #expect(tested["grantMode"] == .string("gateway"))
            // What rclone does not do is the reason that is shown.
            let shown = try await fleet.done("bucket", "show", "objects")
            #expect(shown.contains("gateway: ") && shown.contains("If-None-Match"), "\(shown)")
            try await fleet.refused(
                5, ["--accept-unenforced"], "bucket", "set", "objects", "--grants", "presigned")

            try await fleet.done("project", "create", "notes", "--host", "host-1")
            try await fleet.done("project", "start", "notes")
            try await Self.write("first", fleet)
            try await fleet.done("backup", "create", "notes")
            #expect(Self.signed("PUT", bucket).isEmpty)

            try await fleet.done(
                "bucket", "set", "objects", "--grants", "presigned", "--accept-unenforced")
            let before = bucket.proxy.log.count
            try await Self.write("second", fleet)
            try await fleet.done("backup", "create", "notes")
            // Every pack was put by its host, by a URL of its own.
            let puts = bucket.proxy.log.dropFirst(before).filter {
                $0.method == "PUT" && $0.target.contains("/data/")
            }
            #expect(!puts.isEmpty)
            #expect(puts.allSatisfy { $0.target.contains("X-Amz-Signature=") })
            #expect(puts.allSatisfy { $0.target.contains("X-Amz-Expires=300&") })
            let tree = try await Self.listing(fleet, "notes")
            try await fleet.done(
                "project", "exec", "notes", "--root", "--", "sh", "-c", "rm first second")
            try await fleet.done("backup", "restore", "notes", "--yes")
            #expect(try await Self.listing(fleet, "notes") == tree)
            #expect(!Self.signed("GET", bucket).isEmpty)
            try await fleet.judge("notes", at: bucket)
            try await fleet.expectNoSecret(bucket)
        }
        bucket.stop()
    }

    private static func write(_ name: String, _ fleet: isolated Fleet) async throws {
        try await fleet.done(
            "project", "exec", "notes", "--root", "--", "sh", "-c",
            "head -c 3000000 /dev/urandom > \(name)")
    }

    private static func signed(_ method: String, _ bucket: BucketFixture) -> [ProxiedRequest] {
        bucket.proxy.log.filter {
            $0.method == method && $0.target.contains("/data/")
                && $0.target.contains("X-Amz-Signature=")
        }
    }

    @Test(
        "are made with sealed credentials too, which only the hub's machine ever sees",
        .timeLimit(.minutes(3)))
    func sealed() async throws {
        let bucket = try await BucketFixture.start(.rclone)
        try await Fleet.run(hosts: 0) { fleet in
            try await fleet.makeBucket(bucket)
            try await fleet.done(
                "bucket", "create", "objects", "--endpoint", bucket.proxy.endpoint, "--bucket",
                BucketFixture.bucket, "--access-key", "sealed", "--secret-key", "sealed")
            try await fleet.refused(1, [], "bucket", "test", "objects")
            let sealed = try await ChildProcess.run(
                fleet.programs.path("berth-hub"),
                ["bucket-credentials", "objects", "--data", fleet.path("hub")],
                input: Array("\(bucket.server.accessKeyID)\n\(bucket.server.secretKey)\n".utf8),
                deadline: .seconds(60))
            try #require(sealed.isSuccess, "\(sealed.errorText)")
            #expect(!sealed.text.contains(bucket.server.secretKey))
            try await fleet.done("bucket", "test", "objects")
            try await fleet.refused(
                2, ["takes no secret"], "bucket", "set", "objects", "--secret-key",
                "a-secret-itself")
            let logs = try await fleet.shell(
                "grep -lr '\(bucket.server.secretKey)' '\(fleet.path("hub"))' "
                    + "'\(fleet.path("hub.log"))' || true")
            #expect(logs.trimmed.isEmpty, "the secret lies open in \(logs)")
        }
        bucket.stop()
    }

    @Test(
        "are kept in one bucket beside another, which becomes the default, changes and goes",
        .timeLimit(.minutes(3)))
    func several() async throws {
        let bucket = try await BucketFixture.start(.rclone)
        try await Fleet.run(hosts: 0) { fleet in
            try await fleet.useBucket(bucket)
            let first = try await fleet.document("bucket", "show", "objects")
            #expect(first["isDefault"] == .bool(true))
            try await fleet.shell("mkdir -m 700 '\(fleet.path("second"))'")
            try await fleet.done(
                "bucket", "create", "second", "--path", fleet.path("second"))
            try await fleet.done(
                "bucket", "set", "second", "--default", "--also-serves", "elsewhere")
            let second = try await fleet.document("bucket", "show", "second")
            #expect(second["isDefault"] == .bool(true))
            #expect(second["settings"]?["alsoServes"] == .array([.string("elsewhere")]))
            let demoted = try await fleet.document("bucket", "show", "objects")
            #expect(demoted["isDefault"] == .bool(false))
            // A place that does not work is refused, and changes nothing.
            try await fleet.refused(
                5, ["127.0.0.1:9"], "bucket", "set", "objects", "--endpoint", "http://127.0.0.1:9")
            try await fleet.done("bucket", "test", "objects")

            try await fleet.done("bucket", "set", "objects", "--default")
            try await fleet.done("bucket", "remove", "second", "-y")
            #expect(
                try await fleet.done("bucket", "list", "-o", "json").contains("second") == false)
            try await fleet.done("bucket", "create", "second", "--path", fleet.path("second"))
            try await fleet.expectNoSecret(bucket)
        }
        bucket.stop()
    }

    @Test(
        "wait with their reason while a bucket is gone, hold up no other, and go on by themselves",
        .timeLimit(.minutes(5)))
    func parking() async throws {
        let weather = BucketWeather()
        let bucket = try await BucketFixture.start(.moto, faults: weather.plan)
        try await Fleet.run(hosts: 1, limits: "bucket_patience = \"4s\"") { fleet in
            try await fleet.useBucket(bucket)
            for project in ["notes", "other"] {
                try await fleet.done("project", "create", project, "--host", "host-1")
                try await fleet.done("project", "start", project)
            }
            try await fleet.done("project", "route", "other", "local")
            try await fleet.done("backup", "create", "notes")
            try await fleet.refused(
                5, ["bucket objects holds 1"], "bucket", "remove", "objects", "-y")

            for fault in [
                Fault.refuse(status: 404, code: "NoSuchBucket"),
                .refuse(status: 403, code: "InvalidAccessKeyId"),
                .refuse(status: 503, code: "SlowDown"),
            ] {
                weather.always(fault)
                // What has not changed needs no bucket.
                let volume = try await fleet.volume("notes", on: "host-1")
                try await fleet.shell("date +%N >>'\(volume)/news'")
                let operation = try await fleet.done(
                    "backup", "create", "notes", "--detach", "-o", "id"
                ).trimmed
                try await fleet.eventually("the backup being parked") {
                    let shown = try await fleet.document("bucket", "show", "objects")
                    return shown["condition"]?["parked"] == .integer(1)
                }
                let shown = try await fleet.done("bucket", "show", "objects")
                #expect(shown.contains("notes"), "\(fault): \(shown)")
                #expect(shown.contains("paused") || shown.contains("failing"))
                try await fleet.done("backup", "create", "other")
                weather.always(nil)
                try await fleet.done("operation", "wait", operation, "--timeout", "90s")
            }
            let shown = try await fleet.document("bucket", "show", "objects")
            #expect(shown["condition"]?["state"] == .string("working"))
            try await fleet.judge("notes", at: bucket)
        }
        bucket.stop()
    }
}
