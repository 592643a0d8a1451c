import Platform
import S3TestSupport
import Shared
import Testing

/// A project's life between two hosts, on real parts.
@Suite("A project's life", .serialized)
struct StoryTests {
    @Test(
        "created, filled, started, backed up, moved, copied, restored; stock restic agrees",
        .timeLimit(.minutes(5)),
        arguments: [nil, S3Server.Kind.rclone] + (S3Server.Kind.isGatewayTested ? [.rgw] : []))
    func story(kind: S3Server.Kind?) async throws {
        var fixture: BucketFixture?
        if let kind { fixture = try await BucketFixture.start(kind) }
        let bucket = fixture
        try await Fleet.run(hosts: 2) { fleet in
            if let bucket { try await fleet.useBucket(bucket) }
            let corpus = try await fleet.makeCorpus()
            let original = try await fleet.listing(corpus)
            try await fleet.done(
                "project", "create", "thesis", "--host", "host-1", "--stop-grace", "3s", "--",
                "sh", "-c",
                "touch diary; n=$(wc -l < diary); while :; do n=$((n+1)); echo $n >> diary; sleep 0.05; done"
            )
            try await fleet.done(
                "project", "import", "thesis", corpus, "--to", "corpus", "--faithful")
            let first = try await fleet.volume("thesis", on: "host-1")
            #expect(try await fleet.listing(first + "/corpus").inner == original.inner)

            try await fleet.done("project", "start", "thesis")
            try await fleet.eventually("the diary's first line") {
                try await fleet.lines(first + "/diary") > 0
            }
            let backup = try await fleet.done("backup", "create", "thesis", "-o", "id").trimmed
            let written = try await fleet.lines(first + "/diary")

            try await fleet.done("project", "move", "thesis", "--to", "host-2", "--yes")
            let second = try await fleet.volume("thesis", on: "host-2")
            #expect(try await fleet.listing(second + "/corpus").inner == original.inner)
            try await fleet.shell("awk '$1 != NR { exit 1 }' '\(second)/diary'")
            try await fleet.eventually("the diary going on") {
                try await fleet.lines(second + "/diary") > written
            }
            #expect(try await fleet.shell("ls '\(fleet.path("host-1/btrfs/projects"))'").isEmpty)

            try await fleet.done(
                "project", "exec", "thesis", "--root", "--", "rm", "corpus/awkward/acl")
            try await fleet.done(
                "backup", "restore", "thesis", "--backup", backup, "--path", "corpus/awkward/acl")
            // Putting a file back changes the time of the directory that it is in.
            #expect(
                try await fleet.listing(second + "/corpus").inner.without("awkward")
                    == original.inner.without("awkward"))
            try await fleet.done("backup", "restore", "thesis", "--backup", backup, "--yes")
            #expect(try await fleet.listing(second + "/corpus").inner == original.inner)
            try await fleet.judge("thesis", at: bucket)
            if let bucket { try await fleet.expectNoSecret(bucket) }
        }
        bucket?.stop()
    }
}

extension String {
    /// A listing without the line of the tree's own root, whose time a copy changes.
    var inner: String {
        split(separator: "\n").filter { !$0.hasPrefix(". ") }.joined(separator: "\n")
    }
}

extension String {
    /// A listing without the line of one entry itself; names in listings are in hexadecimal.
    func without(_ path: String) -> String {
        let name = path.utf8.map { String($0, radix: 16) }.joined()
        return split(separator: "\n").filter { !$0.hasPrefix(name + " ") }.joined(separator: "\n")
    }
}

extension Fleet {
    func lines(_ file: String) async throws -> Int {
        Int(try await shell("wc -l < '\(file)' 2>/dev/null || echo 0").trimmed) ?? 0
    }
}
