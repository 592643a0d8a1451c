import Platform
import Shared
import Testing

/// Buckets, disks and volumes that are gone or full: said clearly, nothing is lost, and work goes
/// on once they are back.
@Suite("Storage that is gone or full", .serialized)
struct StorageTroubleTests {
    @Test("a bucket that is away, then full", .timeLimit(.minutes(3)))
    func bucket() async throws {
        try await Fleet.run(hosts: 1) { fleet in
            let volume = try await fleet.startedProject()
            try await fleet.done("backup", "create", "thesis")
            let bucket = fleet.path("hub/bucket")

            try await fleet.shell("mv '\(bucket)' '\(bucket).away'")
            try await fleet.shell("echo more >'\(volume)/second'")
            let waiting = try await fleet.done("backup", "create", "thesis", "--detach").trimmed
            try await fleet.sayWhyItWaits(waiting, "bucket")
            #expect(try await fleet.shell("ls -d '\(bucket)' 2>&1 || true").contains("No such"))
            try await fleet.shell("mv '\(bucket).away' '\(bucket)'")
            try await fleet.done("operation", "wait", waiting, "--timeout", "90s")

            // A bucket that fills up: the same content on a file system without room.
            try await fleet.stop("hub")
            try await fleet.shell(
                "mv '\(bucket)' '\(bucket).full'; mkdir '\(bucket)'; "
                    + "mount -t tmpfs -o size=2M tmpfs '\(bucket)'; "
                    + "cp -a '\(bucket).full/.' '\(bucket)'")
            try await fleet.startHub()
            try await fleet.shell("head -c 6000000 /dev/urandom >'\(volume)/noise'")
            let full = try await fleet.done("backup", "create", "thesis", "--detach").trimmed
            try await fleet.sayWhyItWaits(full, "full")
            try await fleet.shell("mount -o remount,size=64M '\(bucket)'")
            try await fleet.done("operation", "wait", full, "--timeout", "90s")
            try await fleet.expectNothingHalfDone(on: ["host-1"])
            try await fleet.expectSoundRepository(of: "thesis")
            #expect(try await fleet.shell("cat '\(volume)/file'") == "precious\n")
            try await fleet.stop("hub")
            try await fleet.shell("umount '\(bucket)'")
        }
    }

    @Test("a host without room leaves the volume as it was", .timeLimit(.minutes(2)))
    func full() async throws {
        try await Fleet.run(hosts: 0) { fleet in
            try await fleet.join("host-1", size: "128M")
            try await fleet.startAgent("host-1")
            try await fleet.waitUntilReady("host-1")
            let volume = try await fleet.startedProject()
            let listing = try await fleet.listing(volume)
            let big = fleet.path("big")
            try await fleet.shell("mkdir '\(big)'; head -c 200000000 /dev/urandom >'\(big)/data'")
            try await fleet.refused(
                8, ["does not fit", "No space left on device", big, "free space"],
                "project", "import", "thesis", big, "--to",
                "big")
            #expect(try await fleet.listing(volume).inner == listing.inner)

            // There is room for the volume, and not for another beside it.
            try await fleet.shell(
                """
                btrfs subvolume sync '\(fleet.path("host-1/btrfs"))' >/dev/null
                sync -f '\(volume)'
                free=$(df --output=avail -B1 '\(volume)' | tail -n 1)
                head -c $((free * 6 / 10)) /dev/urandom >'\(volume)/most'
                sync -f '\(volume)'
                """)
            try await fleet.done("backup", "create", "thesis")
            let whole = try await fleet.listing(volume)
            let id = try await fleet.done(
                "backup", "restore", "thesis", "--from-nothing", "--yes", "--detach"
            ).trimmed
            try await fleet.sayWhyItWaits(id, "host-full")
            try await fleet.done("operation", "cancel", id)
            let ended = try await fleet.berth("operation", "wait", id, "--timeout", "30s")
            #expect(ended.exit == .code(9), "\(ended.errorText)")
            #expect(try await fleet.listing(volume).inner == whole.inner)
            try await fleet.expectNothingHalfDone(on: ["host-1"])
            try await fleet.done("backup", "create", "thesis")
        }
    }

    @Test("a volume that somebody removed never comes up empty", .timeLimit(.minutes(2)))
    func missingVolume() async throws {
        try await Fleet.run(hosts: 1) { fleet in
            for (project, command) in [("thesis", ["--", "sleep", "1000"]), ("paper", [])] {
                try await fleet.done(
                    ["project", "create", project, "--host", "host-1"] + command)
                try await fleet.done("project", "start", project)
                let volume = try await fleet.volume(project, on: "host-1")
                try await fleet.shell("echo precious >'\(volume)/file'")
                try await fleet.done("backup", "create", project)
                try await fleet.done("project", "stop", project)
                try await fleet.shell("btrfs -q subvolume delete '\(volume)'")

                try await fleet.refused(8, ["is gone from", volume], "project", "start", project)
                #expect(try await fleet.shell("ls -d '\(volume)' 2>&1 || true").contains("No such"))
                try await fleet.done("backup", "restore", project, "--yes")
                #expect(try await fleet.shell("cat '\(volume)/file'") == "precious\n")
                try await fleet.done("project", "start", project)
            }
        }
    }

    @Test("a file system that is not mounted is trouble, not emptiness", .timeLimit(.minutes(2)))
    func unmounted() async throws {
        try await Fleet.run(hosts: 1) { fleet in
            let volume = try await fleet.startedProject()
            try await fleet.done("backup", "create", "thesis")
            let mount = fleet.path("host-1/btrfs")
            try await fleet.stop("host-1")
            // From now on somebody else mounts it, who has not done so yet.
            let device = try await fleet.shell("findmnt -no SOURCE '\(mount)'").trimmed
            try await fleet.shell(
                """
                umount '\(mount)'
                sed -i -e 's|^loopImage = .*|mount = "\(mount)"|' -e '/^size = /d' \
                    '\(fleet.path("host-1/agent.toml"))'
                """)
            try await fleet.startAgent("host-1")
            try await fleet.eventually("the host being in trouble") {
                let host = try await fleet.document("host", "show", "host-1")
                return host["state"]?.text == "troubled"
            }
            #expect(try await fleet.done("host", "show", "host-1").contains(mount))
            let id = try await fleet.done("backup", "create", "thesis", "--detach").trimmed
            try await fleet.sayWhyItWaits(id, "storage-trouble")
            #expect(try await fleet.shell("ls -A '\(mount)'").isEmpty)
            #expect(
                try await fleet.document("project", "show", "thesis")["provisioned"] == .bool(true))
            try await fleet.shell("mount -o noatime \(device) '\(mount)'")
            try await fleet.done("operation", "wait", id, "--timeout", "90s")
            #expect(try await fleet.shell("cat '\(volume)/file'") == "precious\n")
        }
    }
}

extension Fleet {
    /// A project with one file; answers its volume.
    func startedProject() async throws -> String {
        try await done("project", "create", "thesis", "--host", "host-1")
        try await done("project", "start", "thesis")
        let volume = try await self.volume("thesis", on: "host-1")
        try await shell("echo precious >'\(volume)/file'")
        return volume
    }

    /// Waits until the operation, or what it is waiting for, was tried in vain and says this word
    /// in its attempts.
    func sayWhyItWaits(
        _ id: String, _ word: String, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        try await eventually("\(id) saying \(word)", sourceLocation: sourceLocation) {
            let document = try await self.operation(id)
            guard case .array(let children)? = document["children"] else { return false }
            for child in children {
                guard let child = child.text else { continue }
                if try await done("operation", "show", child).contains(word) { return true }
            }
            return false
        }
    }
}
