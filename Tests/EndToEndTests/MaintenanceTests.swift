import Platform
import Shared
import Testing

/// Check, forget and prune by the hub, judged by stock restic.
@Suite("Maintenance", .serialized)
struct MaintenanceTests {
    @Test(
        "what is forgotten is pruned, the rest stays whole, and damage is named and stops a prune",
        .timeLimit(.minutes(5)))
    func maintenance() async throws {
        try await Fleet.run(hosts: 1) { fleet in
            try await fleet.done("project", "create", "notes", "--host", "host-1", "--", "true")
            try await fleet.done("project", "import", "notes", try await fleet.source("a"))
            var backups: [String] = []
            for name in ["b", "c", "d", "e"] {
                let id = try await fleet.done("backup", "create", "notes", "-o", "id").trimmed
                backups.append(id)
                let volume = try await fleet.volume("notes", on: "host-1")
                // What the next backup adds, and what it does not have any more.
                try await fleet.shell(
                    "rm -f '\(volume)'/big-*; "
                        + "head -c 3000000 /dev/urandom > '\(volume)/big-\(name)'")
            }
            let last = try await fleet.done("backup", "create", "notes", "-o", "id").trimmed
            try await fleet.done("backup", "check", "notes", "--read", "all")

            // Nothing happens but by an order, and not to what is pinned.
            let plan = try await fleet.done(
                "backup", "forget", "notes", "--keep-last", "2", "--dry-run")
            #expect(plan.contains("forgotten"))
            #expect(try await fleet.count() == 5)
            let refused = try await fleet.berth("backup", "forget", "notes", last)
            #expect(!refused.isSuccess && refused.errorText.contains("pinned"))
            try await fleet.done("backup", "forget", "notes", "--keep-last", "2")
            #expect(try await fleet.count() == 2)
            try await fleet.done("backup", "forget", "notes", backups[3])
            #expect(try await fleet.count() == 1)

            let before = try await fleet.packBytes()
            try await fleet.done("backup", "prune", "notes", "--dry-run")
            #expect(try await fleet.packBytes() == before)
            // A backup beside it.
            try await fleet.done("--detach", "backup", "prune", "notes")
            try await fleet.done("backup", "create", "notes")
            try await fleet.done("backup", "prune", "notes")
            #expect(try await fleet.packBytes() < before - 8_000_000)
            try await fleet.done("backup", "check", "notes", "--read", "all")
            let judged = try await fleet.restic("check", "--read-data")
            #expect(judged.contains("no errors were found"))
            let volume = try await fleet.volume("notes", on: "host-1")
            let (golden, target) = (try await fleet.listing(volume), fleet.path("restored"))
            _ = try await fleet.restic("restore", "latest", "--target", target)
            #expect(try await fleet.listing(target + "/project") == golden)
            try await fleet.done("backup", "restore", "notes", "--yes")
            #expect(
                try await fleet.listing(try await fleet.volume("notes", on: "host-1")) == golden)

            // One byte of the largest pack.
            let pack = try await fleet.largestPack()
            try await fleet.shell(
                "chmod u+w '\(pack)'; printf X | dd of='\(pack)' bs=1 seek=1000 conv=notrunc")
            let damaged = try await fleet.berth("backup", "check", "notes", "--read", "all")
            let name = String(pack.split(separator: "/").last ?? "")
            #expect(!damaged.isSuccess && damaged.errorText.contains(name), "\(damaged.errorText)")
            let pruned = try await fleet.berth("backup", "prune", "notes")
            #expect(!pruned.isSuccess && pruned.errorText.contains("nothing is removed"))
        }
    }
}

extension Fleet {
    /// A directory with a file.
    fileprivate func source(_ name: String) async throws -> String {
        let path = path("source-\(name)")
        try await shell(
            "mkdir '\(path)'; head -c 2000000 /dev/urandom > '\(path)/big-\(name)'; "
                + "echo hello > '\(path)/small'")
        return path
    }

    fileprivate func count() async throws -> Int {
        try await done("backup", "list", "notes", "-o", "id").split(separator: "\n").count
    }

    func key() async throws -> (place: String, password: String) {
        let document = try await document("backup", "export-key", "notes")
        return (document["location"]?.text ?? "", document["password"]?.text ?? "")
    }

    func packBytes() async throws -> Int {
        let place = try await key().place
        return Int(
            try await shell(
                "find '\(place)/data' -type f -printf '%s\\n' | awk '{s+=$1} END {print s+0}'"
            )
            .trimmed) ?? 0
    }

    func largestPack() async throws -> String {
        let place = try await key().place
        return try await shell(
            "find '\(place)/data' -type f -printf '%s %p\\n' | sort -rn | head -1 | cut -d' ' -f2"
        ).trimmed
    }

    func restic(_ arguments: String...) async throws -> String {
        let (place, password) = try await key()
        let result = try await ChildProcess.run(
            "restic", ["--repo", place, "--no-cache"] + arguments,
            environment: [
                "RESTIC_PASSWORD": password, "PATH": "/usr/bin:/bin", "HOME": directory.path,
            ], outputLimitBytes: 16 << 20, deadline: .seconds(120))
        #expect(result.isSuccess, "\(result.errorText)")
        return result.text
    }
}
