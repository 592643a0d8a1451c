import Platform
import Shared
import Testing

/// Backups of what has changed, through the agent and the hub into a bucket, judged by stock restic.
@Suite("Backups of what has changed", .serialized)
struct IncrementalTests {
    @Test(
        "a copy holds what was written a moment before; of nothing new it makes no backup",
        .timeLimit(.minutes(3)))
    func copies() async throws {
        try await Fleet.run(hosts: 1) { fleet in
            for name in ["thesis", "pupil"] {
                try await fleet.done("project", "create", name, "--host", "host-1")
                try await fleet.done("project", "start", name)
            }
            let volume = try await fleet.volume("thesis", on: "host-1")
            let pupil = try await fleet.volume("pupil", on: "host-1")
            try await fleet.shell("mkdir '\(volume)/a'; echo first >'\(volume)/a/word'")
            let first = try await fleet.done("backup", "create", "thesis", "-o", "id").trimmed
            try await fleet.done("copy", "create", "thesis", "a", "--to", "pupil:first")
            #expect(try await fleet.done("backup", "list", "thesis", "-o", "id").trimmed == first)
            try await fleet.shell("echo last >'\(volume)/a/word'")
            try await fleet.done("copy", "create", "thesis", "a", "--to", "pupil:last")
            #expect(
                try await fleet.shell("cat '\(pupil)'/{first,last}/word").trimmed == "first\nlast")
        }
    }

    @Test(
        "restic reads and restores them; nothing new writes nothing; they go on after a move",
        .timeLimit(.minutes(5)))
    func wholeWay() async throws {
        try await Fleet.run(hosts: 2) { fleet in
            let corpus = try await fleet.makeCorpus(isSmall: true)
            try await fleet.done("project", "create", "thesis", "--host", "host-1")
            try await fleet.done(
                "project", "import", "thesis", corpus, "--to", "corpus", "--faithful")
            #expect(try await fleet.backUp("thesis").method == .full)
            let volume = try await fleet.volume("thesis", on: "host-1")
            try await fleet.shell(
                """
                cd '\(volume)'; mkdir new; echo new > new/file; seq 1000000 > new/large
                cp --reflink=always new/large new/clone; ln new/file corpus/another-name
                """)
            #expect(try await fleet.backUp("thesis").method == .changes)
            try await fleet.shell(
                """
                cd '\(volume)'; printf X | dd of=new/large bs=1 seek=3000000 conv=notrunc status=none
                fallocate -p -o 4096 -l 65536 new/clone; mv new renamed; chmod 600 renamed/file
                """)
            let third = try await fleet.backUp("thesis")
            #expect(third.method == .changes)
            #expect(third.readBytes < 13_000_000)
            let objects = try await fleet.objects()
            let same = try await fleet.backUp("thesis")
            #expect(same.method == .changes && same.changedInodes == 0)
            #expect(try await fleet.objects() == objects)
            let newest = try await fleet.done(
                "backup", "list", "thesis", "--limit", "1", "-o", "json")
            #expect(newest.contains("confirmedAt"))
            try await fleet.restoresByRestic("thesis", equals: volume)
            let before = try await fleet.listing(volume)
            // What differs is written over what is there, and comes out as restic writes it all.
            let wanted = try await fleet.done(
                "backup", "list", "thesis", "--limit", "1", "-o", "id"
            ).trimmed
            try await fleet.shell(
                """
                cd '\(volume)'; echo other > renamed/file; truncate -s 5000 renamed/large
                rm renamed/clone; mkdir more; ln -s file more/link; chmod 711 corpus
                """)
            #expect(try await fleet.backUp("thesis").method == .changes)
            try await fleet.done("backup", "restore", "thesis", "--backup", wanted, "--yes")
            #expect(try await fleet.listing(volume).inner == before.inner)
            let byRestic = try await fleet.listing(fleet.path("restored") + "/project")
            #expect(Self.known(byRestic.inner) == Self.known(before.inner))

            try await fleet.done("project", "move", "thesis", "--to", "host-2", "--yes")
            let moved = try await fleet.volume("thesis", on: "host-2")
            try await fleet.shell("echo on the other host >> '\(moved)/renamed/file'")
            let first = try await fleet.backUp("thesis")
            #expect(first.method == .changes && first.reason == nil)
            #expect(first.readBytes < 1000)
            try await fleet.restoresByRestic("thesis", equals: moved)
            let page = try await fleet.metrics()
            #expect(page.contains("berth_backups_total{method=\"full\",reason=\"first-backup\"} 1"))
            #expect(page.contains("berth_restores_total{origin=\"base\",reason=\"\"} 1"))
            let audited = try await fleet.done("backup", "audit", "thesis")
            #expect(audited.contains("what had changed is what the whole volume shows"))
        }
    }

    /// A listing without the link whose target is not UTF-8, which restic knows from 0.16 on.
    private static func known(_ listing: String) -> [Substring] {
        let name = "strange-target".utf8.map { String($0, radix: 16) }.joined()
        return listing.split(separator: "\n").filter { !$0.contains(name) }
    }
}

extension Fleet {
    /// Makes a backup and answers how changes were found.
    fileprivate func backUp(_ project: String) async throws -> BackupDetection {
        let operation = try await document("backup", "create", project)
        let result = try #require(operation["result"])
        let detection = try JSON.decode(VolumeBackupResult.self, from: result).detection
        return try #require(detection)
    }

    /// Every object of the built-in bucket but locks, by name.
    fileprivate func objects() async throws -> String {
        try await shell(
            "cd '\(path("hub"))'; find . -path '*/repositories/*' -type f ! -path '*/locks/*' | sort"
        )
    }

    /// Stock restic checks everything, and what it restores is the volume.
    fileprivate func restoresByRestic(_ project: String, equals volume: String) async throws {
        try await judge(project, at: nil)
        let password = path("restic-password-\(project)")
        let exports = try await done("backup", "export-key", project, "--password-file", password)
        let begin = try #require(exports.firstRange(of: "RESTIC_REPOSITORY='"))
        let place = String(exports[begin.upperBound...].prefix { $0 != "'" })
        let target = path("restored")
        try await shell(
            "rm -rf '\(target)'; restic --no-cache -q -r '\(place)' --password-file '\(password)'"
                + " restore latest --no-lock --target '\(target)'")
        // Names and bytes here; everything else is compared in what berth gives back.
        let contents = "find . -type f -print0 | sort -z | xargs -0 sha256sum"
        let restored = try await shell("cd '\(target)/project'; \(contents)")
        #expect(restored == (try await shell("cd '\(volume)'; \(contents)")))
    }

    fileprivate func metrics() async throws -> String {
        let hub = path("hub")
        let listens = try await shell("sed -n 's/^listen = \"\\(.*\\)\"/\\1/p' '\(hub)/hub.toml'")
        return try await shell(
            "curl -sk -H \"Authorization: Bearer $(jq -r '.. | .token? // empty' '\(path("client.json"))')\""
                + " 'https://\(listens.trimmed)/metrics'")
    }
}
