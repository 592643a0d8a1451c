import Shared
import Testing

/// A host is emptied for real: every project is elsewhere, and nothing is left behind.
@Suite("Draining a host", .serialized)
struct DrainTests {
    @Test(
        "takes all projects away, and again from a host that is gone", .timeLimit(.minutes(4)))
    func drain() async throws {
        try await Fleet.run(hosts: 2) { fleet in
            let names = ["one", "two", "three"]
            for name in names {
                try await fleet.done(
                    "project", "create", name, "--host", "host-1", "--", "/bin/sleep", "1d")
                if name != "three" { try await fleet.done("project", "start", name) }
            }
            for name in names.prefix(2) {
                let volume = try await fleet.volume(name, on: "host-1")
                try await fleet.shell("echo \(name) >'\(volume)/file'")
            }
            // A stranger in the way, which nobody may delete.
            let stranger = fleet.path("host-1/btrfs/projects/stranger")
            try await fleet.shell("btrfs subvolume create '\(stranger)'")

            let plan = try await fleet.document("host", "drain", "host-1", "--dry-run")
            #expect(plan["projects"] == .integer(3))
            #expect(plan["running"] == .integer(2))
            try await fleet.refused(11, ["--yes"], "host", "drain", "host-1")
            let drain = try await fleet.done(
                "host", "drain", "host-1", "--yes", "--detach", "--max-parallel", "2"
            ).trimmed
            try await fleet.refused(
                5, [drain], "host", "drain", "host-1", "--yes", "--max-parallel", "3")
            try await fleet.eventually("the stranger being named") {
                let shown = try await fleet.operation(drain)
                return shown["waiting"]?["sentence"]?.text?.contains("stranger") == true
            }
            try await fleet.refused(
                5, ["cordoned"], "project", "create", "four", "--host", "host-1")
            let items = try await fleet.document("operation", "items", drain)
            guard case .array(let projects)? = items["items"] else {
                Issue.record("no items")
                return
            }
            #expect(projects.allSatisfy { $0["state"]?.text == "done" })
            try await fleet.shell("btrfs subvolume delete '\(stranger)'")
            let end = try await fleet.done("operation", "watch", drain)
            #expect(end.contains("succeeded"))
            #expect(
                try await fleet.shell("ls '\(fleet.path("host-1/btrfs/projects"))'").isEmpty)
            for name in names.prefix(2) {
                let volume = try await fleet.volume(name, on: "host-2")
                #expect(try await fleet.shell("cat '\(volume)/file'") == "\(name)\n")
                #expect(
                    try await fleet.document("project", "show", name)["runtimeState"]?.text
                        == "running")
            }

            // The other host goes away for good.
            try await fleet.done("host", "uncordon", "host-1")
            for name in names.prefix(2) { try await fleet.done("backup", "create", name) }
            try await fleet.kill("host-2")
            try await fleet.eventually("host-2 being silent") {
                try await fleet.document("host", "show", "host-2")["state"]?.text == "silent"
            }
            try await fleet.refused(
                5, ["--from-backup", "2 projects with a volume"], "host", "drain", "host-2",
                "--yes")
            try await fleet.done(
                "host", "drain", "host-2", "--yes", "--from-backup", "--accept-loss", "host-2")
            for name in names.prefix(2) {
                let volume = try await fleet.volume(name, on: "host-1")
                #expect(try await fleet.shell("cat '\(volume)/file'") == "\(name)\n")
            }
        }
    }
}
