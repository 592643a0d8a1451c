import Platform
import Testing

/// A hub whose database or configuration is not as it should be.
@Suite("A hub in trouble", .serialized)
struct HubTroubleTests {
    @Test(
        "its database is killed under it, and work goes on after a restart", .timeLimit(.minutes(2))
    )
    func databaseKilled() async throws {
        try await Fleet.run(hosts: 1) { fleet in
            try await fleet.done("project", "create", "thesis", "--host", "host-1")
            try await fleet.done("project", "start", "thesis")
            let volume = try await fleet.volume("thesis", on: "host-1")
            try await fleet.shell("head -c 8000000 /dev/urandom >'\(volume)/noise'")
            let id = try await fleet.done("backup", "create", "thesis", "--detach").trimmed
            try await fleet.shell(
                "kill -KILL \"$(head -n 1 '\(fleet.path("hub/postgres/cluster/postmaster.pid"))')\""
            )
            // The hub does not serve without a database: whoever supervises it starts both again.
            #expect(try await fleet.end(of: "hub") == .code(7))
            let log = try await fleet.shell("cat '\(fleet.path("hub.log"))'")
            #expect(log.contains("the private PostgreSQL cluster ended"))
            try await fleet.refused(7, ["127.0.0.1"], "project", "list")
            try await fleet.startHub()
            try await fleet.done("operation", "wait", id, "--timeout", "60s")
            try await fleet.expectNothingHalfDone(on: ["host-1"])
            try await fleet.expectSoundRepository(of: "thesis")
        }
    }

    @Test(
        "what it cannot start with is said with the place and the way out", .timeLimit(.minutes(1)),
        arguments: [
            ("listen = \"127.0.0.1\"\n", 2, ["hub.toml:1:", "listen"]),
            ("\n[limits]\nlease = \"1 parsec\"\n", 2, ["hub.toml:3:", "lease"]),
            ("listen = = 1\n", 2, ["hub.toml:1:"]),
            ("colour = \"red\"\n", 2, ["hub.toml:1:", "colour"]),
            (
                "database = \"host=127.0.0.1 port=1 user=berth\"\n", 7,
                ["database", "check `database` in hub.toml"]
            ),
        ] as [(String, Int32, [String])])
    func configuration(text: String, code: Int32, words: [String]) async throws {
        let directory = try TemporaryDirectory(prefix: "berth-hub-trouble")
        let migrations = "migrations = \"\(try Programs().root)/Migrations\"\n"
        try DurableFile.write(
            Array((text + migrations).utf8), to: directory.path + "/hub.toml")
        for command in ["serve", "init"] {
            let result = try await ChildProcess.run(
                try Programs().path("berth-hub"), [command, "--data", directory.path],
                deadline: .seconds(30))
            #expect(result.exit == .code(code), "\(result.errorText)")
            for word in words { #expect(result.errorText.contains(word)) }
        }
    }
}
