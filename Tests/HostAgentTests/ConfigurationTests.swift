import Platform
import Testing

@testable import HostAgent

@Suite("Configuration and command line")
struct ConfigurationTests {
    @Test("what join writes is what run reads")
    func roundTrip() throws {
        for storage in [
            AgentConfiguration.Storage.loopImage(path: "/a \"quoted\"\n\\path", bytes: 20 << 30),
            .mount(path: "/srv/btrfs"),
        ] {
            let written = AgentConfiguration(
                hubs: ["https://hub:7443", "https://[::1]:1"], storage: storage,
                operationLimit: 3)
            #expect(
                try AgentConfiguration.parse(written.document, name: "agent.toml") == written)
        }
    }

    @Test(
        "a wrong document is an error that names its place",
        arguments: [
            ("hubs = [\"https://h\"]\n[storage]\nmont = \"/x\"\n", "agent.toml"),
            ("hubs = [\"https://h\"]\n[storage]\nmount = \"/x\"\nsiez = \"1G\"\n", "agent.toml:4:"),
            ("hubs = [\"http://h\"]\n", "agent.toml:1:"),
            ("hubs = [\n", "agent.toml:1:10: "),
            (
                "hubs = [\"https://h\"]\n[storage]\nmount = \"/x\"\n[limits]\noperations = 0\n",
                "agent.toml:5:"
            ),
            (
                "hubs = [\"https://h\"]\n[storage]\nloopImage = \"/x\"\nsize = \"lots\"\n",
                "agent.toml:4:"
            ),
        ])
    func places(document: String, place: String) {
        #expect {
            try AgentConfiguration.parse(document, name: "agent.toml")
        } throws: { error in
            "\(error)".hasPrefix(place)
        }
    }

    @Test(
        "sizes are powers of 1,024",
        arguments: [("20G", 20 << 30), ("1", 1), ("3K", 3072), ("2T", 2 << 40)] as [(String, Int64)]
    )
    func sizes(text: String, bytes: Int64) {
        #expect(ByteSize(text)?.bytes == bytes)
    }

    @Test("what is no size is refused", arguments: ["", "0", "-1", "G", "1.5G", "99999999T", "1X"])
    func noSizes(text: String) {
        #expect(ByteSize(text) == nil)
    }

    @Test(
        "a wrong command line says what is wrong and ends with code 2",
        arguments: [
            [], ["rum", "--data", "/x"], ["run"], ["run", "--data"],
            ["run", "--data", "/x", "--token", "t"], ["run", "--data", "/x", "--data", "/y"],
            ["join", "--data", "/x", "--token", "t"],
            ["join", "--data", "/x", "--token", "t", "--btrfs", "/b", "--size", "1G"],
            ["join", "--data", "/x", "--token", "t", "--token-file", "f", "--btrfs", "/b"],
            ["join", "--data", "/x", "--token", "t", "--loop-image", "i", "--size", "1G"],
        ])
    func arguments(words: [String]) {
        #expect {
            try CommandLineArguments.parse(words)
        } throws: { error in
            (error as? AgentError)?.exitCode == 2
        }
    }

    @Test("a directory that never joined, a token that is none, a relative path: codes and words")
    func programs() async throws {
        let directory = try TemporaryDirectory()
        let run = try await ChildProcess.run(
            try TestHost.program, ["run", "--data", directory.path + "/none"])
        #expect(run.exit != .code(0))
        let join = try await ChildProcess.run(
            try TestHost.program,
            ["join", "--data", directory.path, "--token", "nonsense", "--btrfs", directory.path])
        #expect(join.exit == .code(2))
        #expect(join.errorText.contains("berth host enroll"))
        let relative = try await ChildProcess.run(
            try TestHost.program, ["check", "--data", "relative"])
        #expect(relative.exit == .code(2))
        let version = try await ChildProcess.run(try TestHost.program, ["version"])
        #expect(version.text == "berth-agent \(AgentVersion.text)\n")
    }
}
