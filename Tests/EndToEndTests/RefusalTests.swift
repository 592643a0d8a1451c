import Shared
import Testing

/// What cannot be done is refused with an exit code, the thing's name and a way out, and changes
/// nothing.
@Suite("What Berth refuses", .serialized)
struct RefusalTests {
    @Test("names, paths, hosts and tokens that are wrong", .timeLimit(.minutes(3)))
    func refusals() async throws {
        try await Fleet.run(hosts: 2) { fleet in
            try await fleet.done("project", "create", "thesis", "--host", "host-1")
            try await fleet.done("project", "create", "thesaurus", "--host", "host-1")
            try await fleet.done("project", "start", "thesis")
            let volume = try await fleet.volume("thesis", on: "host-1")
            try await fleet.shell("echo precious >'\(volume)/file'")
            try await fleet.done("backup", "create", "thesis")

            try await fleet.refused(
                4, ["\"nothing\"", "berth project list"], "project", "show", "nothing")
            try await fleet.refused(
                4, ["\"nothing\"", "berth project list"], "project", "start", "nothing")
            let ids = [
                try await fleet.done("project", "show", "thesis", "-o", "id").trimmed,
                try await fleet.done("project", "show", "thesaurus", "-o", "id").trimmed,
            ]
            // Identifiers begin with the time, so two of the same seconds begin alike.
            let common = zip(ids[0], ids[1]).prefix { $0 == $1 }.map { $0.0 }
            try await fleet.refused(
                2, ["matches 2 projects"] + ids, "project", "stop", String(common))
            try await fleet.refused(
                4, ["\"host-9\"", "berth host list"], "project", "move", "thesis", "--to", "host-9")
            try await fleet.refused(
                5, ["host-1"], "project", "move", "thesis", "--to", "host-1")
            for path in ["../file", "/file", "a/../../file"] {
                try await fleet.refused(
                    2, [path], "copy", "create", "thesis", path, "--to", "thesaurus")
                try await fleet.refused(
                    2, [path], "backup", "restore", "thesis", "--path", path)
            }
            try await fleet.refused(
                4, ["no/such/path", "berth backup ls"], "backup", "restore", "thesis", "--path",
                "no/such/path")
            try await fleet.refused(
                8, ["no/such/path"], "copy", "create", "thesis", "no/such/path", "--to",
                "thesaurus")
            try await fleet.refusedTokens()
            #expect(try await fleet.shell("cat '\(volume)/file'") == "precious\n")

            try await fleet.offlineHosts(volume)
            try await fleet.stop("hub")
            try await fleet.refused(7, ["127.0.0.1"], "project", "list")
        }
    }
}

extension Fleet {
    /// Tokens that are used up, or nobody's.
    fileprivate func refusedTokens() async throws {
        let first = path("hub/first-admin-token")
        try await refused(6, ["token"], "login", "--token-file", first, "--name", "thief")
        let joined = try await shell(
            "'\(programs.path("berth-agent"))' join --data '\(path("thief"))' --token-file "
                + "'\(path("host-1.token"))' --loop-image '\(path("thief/btrfs.img"))' "
                + "--size 200M 2>&1 || echo \"exit $?\"")
        #expect(joined.contains("berth host enroll"), "\(joined)")
        #expect(joined.contains("exit 6"), "\(joined)")
        try await shell(
            "cp '\(path("client.json"))' '\(path("good.json"))'; jq '.token |= "
                + "(.[:-4] + \"aaaa\")' '\(path("good.json"))' >'\(path("client.json"))'")
        try await refused(6, ["berth login"], "project", "list")
        try await shell("cp '\(path("good.json"))' '\(path("client.json"))'")
        try await done("project", "list")
    }

    /// A host that is down is no target, and is only left behind by whoever names the loss.
    fileprivate func offlineHosts(_ volume: String) async throws {
        try await kill("host-2")
        try await eventually("host-2 being silent") {
            try await document("host", "show", "host-2")["state"]?.text == "silent"
        }
        try await refused(5, ["host-2"], "project", "move", "thesis", "--to", "host-2")
        try await startAgent("host-2")
        try await waitUntilReady("host-2")

        try await shell("echo newer >'\(volume)/file'")
        try await kill("host-1")
        try await eventually("host-1 being silent") {
            try await document("host", "show", "host-1")["state"]?.text == "silent"
        }
        try await refused(
            5, ["host-1", "--accept-loss"], "project", "move", "thesis", "--to", "host-2")
        try await refused(
            5, ["--accept-loss"], "project", "move", "thesis", "--to", "host-2",
            "--accept-loss", "thesaurus")
        let id = try await done(
            "project", "move", "thesis", "--to", "host-2", "--accept-loss", "thesis", "--detach"
        ).trimmed
        try await eventually("the project being placed on host-2") {
            try await document("project", "show", "thesis")["hostName"]?.text == "host-2"
        }
        let moved = try await self.volume("thesis", on: "host-2")
        #expect(try await shell("cat '\(moved)/file'") == "precious\n")

        // What was left behind is kept when the host is back.
        try await startAgent("host-1")
        try await done("operation", "wait", id, "--timeout", "60s")
        #expect(try await document("project", "show", "thesis")["hostName"]?.text == "host-2")
        #expect(
            try await shell("cat '\(path("host-1/btrfs/trash"))'/project_*/file") == "newer\n")
        #expect(try await shell("cat '\(moved)/file'") == "precious\n")
    }
}
