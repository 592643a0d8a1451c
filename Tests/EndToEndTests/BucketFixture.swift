import Platform
import S3TestSupport
import Shared
import Testing

/// A bucket of a real S3 server for a fleet, behind a proxy that spoils requests.
struct BucketFixture {
    let server: S3Server
    let proxy: FaultProxy

    /// The provider's name of the bucket.
    static let bucket = "berth-backups"

    /// Starts a server with an empty bucket, and the proxy before it.
    static func start(
        _ kind: S3Server.Kind, faults plan: @escaping FaultProxy.Plan = { _ in nil }
    ) async throws -> BucketFixture {
        let server = try await S3Server.start(kind)
        return BucketFixture(
            server: server, proxy: try FaultProxy(upstream: server.port, plan: plan))
    }

    /// Ends server and proxy.
    func stop() {
        proxy.stop()
        server.stop()
    }

    /// What stock tools find the bucket with.
    var environment: [String: String] {
        ["AWS_ACCESS_KEY_ID": server.accessKeyID, "AWS_SECRET_ACCESS_KEY": server.secretKey]
    }
}

extension Fleet {
    /// Makes the fixture's bucket the default of the fleet, with credentials in files.
    func useBucket(_ fixture: BucketFixture) async throws {
        let key = try writeSecret("access-key", fixture.server.accessKeyID)
        let secret = try writeSecret("secret-key", fixture.server.secretKey)
        try await makeBucket(fixture)
        try await done(
            "bucket", "create", "objects", "--endpoint", fixture.proxy.endpoint, "--bucket",
            BucketFixture.bucket, "--prefix", "fleet/one", "--access-key", "file:\(key)",
            "--secret-key", "file:\(secret)", "--default")
    }

    /// Makes the bucket at the provider.
    func makeBucket(_ fixture: BucketFixture) async throws {
        // The bucket itself is the provider's affair; rclone's is a directory below its root.
        let made = try await ChildProcess.run(
            S3Server.toolDirectory + "python3",
            [
                "-c",
                """
                import boto3, sys
                boto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1').create_bucket(
                    Bucket=sys.argv[2])
                """, fixture.server.endpoint, BucketFixture.bucket,
            ],
            environment: fixture.environment.merging(["PATH": "/usr/bin:/bin"]) { old, _ in old },
            deadline: .seconds(60))
        try #require(made.isSuccess, "making the bucket: \(made.errorText)")
    }

    /// Has stock restic check every byte of a project's repository.
    func judge(_ project: String, at bucket: BucketFixture?) async throws {
        let password = path("restic-password-\(project)")
        let exports = try await done("backup", "export-key", project, "--password-file", password)
        let begin = try #require(exports.firstRange(of: "RESTIC_REPOSITORY='"))
        let place = String(exports[begin.upperBound...].prefix { $0 != "'" })
        var environment = bucket?.environment ?? [:]
        environment["PATH"] = "/usr/bin:/bin"
        environment["HOME"] = directory.path
        let judged = try await ChildProcess.run(
            "restic",
            [
                "--no-cache", "-r", place, "--password-file", password, "check", "--no-lock",
                "--read-data",
            ], environment: environment, deadline: .seconds(120))
        #expect(judged.isSuccess, "restic: \(judged.text) \(judged.errorText)")
    }

    private func writeSecret(_ name: String, _ text: String) throws -> String {
        try DurableFile.write(Array((text + "\n").utf8), to: path(name), mode: 0o600)
        return path(name)
    }

    /// Fails the test when a secret is in a log, in the event log or in what commands answer.
    func expectNoSecret(_ fixture: BucketFixture) async throws {
        let secret = fixture.server.secretKey
        let logs = try await shell("grep -l '\(secret)' '\(directory.path)'/*.log || true")
        #expect(logs.trimmed.isEmpty, "the secret is in \(logs)")
        for arguments in [["bucket", "list"], ["bucket", "show", "objects"]] {
            let answer = try await done(arguments + ["-o", "json"])
            #expect(!answer.contains(secret))
            #expect(answer.contains("file:"))
        }
        // The event log, operations, their failures and their progress are all in here.
        let found = try await shell(
            "pg_dump -h '\(path("hub/postgres/socket"))' -U postgres berth"
                + " | grep -c -e '\(secret)' -e 'X-Amz-Signature' || true")
        #expect(found.trimmed == "0", "\(found.trimmed) lines of the database have a secret")
    }
}
