import Platform
import Shared
import Testing

/// Repair and rekey by the hub, judged by stock restic.
@Suite("Repair", .serialized)
struct RepairTests {
    /// A project with two backups; answers what the volume holds.
    private func prepare(_ fleet: isolated Fleet) async throws -> String {
        let source = fleet.path("source")
        try await fleet.shell(
            "mkdir '\(source)'; head -c 9000000 /dev/urandom > '\(source)/big'; "
                + "for n in $(seq 200); do echo $n > '\(source)/small-'$n; done")
        try await fleet.done("project", "create", "notes", "--host", "host-1", "--", "true")
        try await fleet.done("project", "import", "notes", source)
        try await fleet.done("backup", "create", "notes")
        let volume = try await fleet.volume("notes", on: "host-1")
        try await fleet.shell("echo more > '\(volume)/more'")
        try await fleet.done("backup", "create", "notes")
        return try await fleet.listing(volume)
    }

    @Test(
        "a damaged repository is repaired: a lost index whole, lost data named and left out",
        .timeLimit(.minutes(5)))
    func repair() async throws {
        try await Fleet.run(hosts: 1) { fleet in
            let golden = try await prepare(fleet)
            let place = try await fleet.key().place
            // All of the index is lost: nothing else is.
            try await fleet.shell("rm -f '\(place)'/index/*")
            let plan = try await fleet.done("backup", "repair", "notes", "--dry-run")
            #expect(plan.contains("in no index"), "\(plan)")
            #expect(!(try await fleet.berth("backup", "check", "notes")).isSuccess)
            let told = try await fleet.done("backup", "repair", "notes")
            #expect(told.contains("indexed anew"), "\(told)")
            try await fleet.done("backup", "check", "notes", "--read", "all")
            #expect(try await fleet.restic("check", "--read-data").contains("no errors were found"))

            // One byte of the largest pack: a part of one file.
            let pack = try await fleet.largestPack()
            try await fleet.shell(
                "chmod u+w '\(pack)'; printf X | dd of='\(pack)' bs=1 seek=1000 conv=notrunc")
            let refused = try await fleet.berth("backup", "repair", "notes")
            #expect(
                !refused.isSuccess && refused.errorText.contains("--accept-loss"),
                "\(refused.errorText)")
            let repaired = try await fleet.done("backup", "repair", "notes", "--accept-loss")
            #expect(repaired.contains("lost path"), "\(repaired)")
            try await fleet.done("backup", "check", "notes", "--read", "all")
            #expect(try await fleet.restic("check", "--read-data").contains("no errors were found"))
            let target = fleet.path("restored")
            _ = try await fleet.restic("restore", "latest", "--target", target)
            let left = Set(try await fleet.listing(target + "/project").split(separator: "\n"))
            // Just that file is missing, and nothing has changed.
            let whole = Set(golden.split(separator: "\n"))
            #expect(whole.subtracting(left).count == 1)
            #expect(left.isSubset(of: whole))

            // The volume still has it, so the next backup is whole again.
            try await fleet.done("backup", "create", "notes")
            _ = try await fleet.restic("restore", "latest", "--target", target + "-again")
            #expect(try await fleet.listing(target + "-again/project") == golden)
            try await fleet.done("backup", "prune", "notes")
            #expect(try await fleet.restic("check", "--read-data").contains("no errors were found"))
        }
    }

    @Test(
        "a pack that the bucket loses before the commit is named by the hub and stored anew",
        .timeLimit(.minutes(3)))
    func lostPack() async throws {
        try await Fleet.run(hosts: 1) { fleet in
            _ = try await prepare(fleet)
            let volume = try await fleet.volume("notes", on: "host-1")
            let place = try await fleet.key().place
            try await fleet.shell(
                "chmod -R u+w '\(place)/data'; touch '\(fleet.path("before"))'; "
                    + "head -c 150000000 /dev/urandom > '\(volume)/bigger'")
            let backup = try await fleet.done("backup", "create", "notes", "--detach").trimmed
            // One that is in its place, not one that is being written.
            let find =
                "find '\(place)/data' -type f -newer '\(fleet.path("before"))' -size +1M "
                + "-regextype posix-extended -regex '.*/[0-9a-f]{64}' ! -newermt '-1 second'"
            try await fleet.eventually("a new pack") {
                try await fleet.shell("\(find) | head -n 1 | xargs -r rm -fv") != ""
            }
            try await fleet.done("operation", "wait", backup, "--timeout", "100s")
            let log = try await fleet.shell("cat '\(fleet.path("host-1.log"))'")
            #expect(log.contains("The bucket has lost packs of a backup in the making."))
            try await fleet.done("backup", "check", "notes", "--read", "all")
            let golden = try await fleet.listing(volume)
            try await fleet.done("backup", "restore", "notes", "--yes")
            #expect(try await fleet.listing(volume) == golden)
        }
    }

    @Test(
        "a key is replaced: the same backups under a new key, the old repository removed on demand",
        .timeLimit(.minutes(5)))
    func rekey() async throws {
        try await Fleet.run(hosts: 1) { fleet in
            let golden = try await prepare(fleet)
            let (old, oldPassword) = try await fleet.key()
            let told = try await fleet.done("backup", "rekey", "notes")
            #expect(told.contains(old), "\(told)")
            let (new, newPassword) = try await fleet.key()
            #expect(new != old && newPassword != oldPassword)
            #expect(try await fleet.restic("check", "--read-data").contains("no errors were found"))
            #expect(try await fleet.restic("snapshots").contains("2 snapshots"))
            // Backups go on, and build on those that were copied.
            let volume = try await fleet.volume("notes", on: "host-1")
            try await fleet.done("backup", "create", "notes")
            #expect(try await fleet.packBytes() < 12_000_000)
            try await fleet.done("backup", "restore", "notes", "--yes")
            #expect(try await fleet.listing(volume) == golden)
            try await fleet.done("backup", "check", "notes", "--read", "all")
            // And once more, with the old one removed; the registry still follows from its log.
            try await fleet.done("backup", "rekey", "notes", "--remove-old")
            #expect(try await fleet.shell("find '\(new)' -type f | wc -l").trimmed == "0")
            #expect(try await fleet.restic("check", "--read-data").contains("no errors were found"))
            _ = try await fleet.restic("restore", "latest", "--target", fleet.path("restored"))
            #expect(try await fleet.listing(fleet.path("restored") + "/project") == golden)
        }
    }
}
