import Glibc
import Platform
import Shared
import Testing

/// A hub and hosts of real processes on this machine: PostgreSQL, btrfs on loop devices, TLS.
///
/// `Fleet.run` tears everything down, also when the test fails.
actor Fleet {
    private let programs: Programs
    private let directory: TemporaryDirectory
    private var processes: [String: SpawnedProcess] = [:]

    private init() throws {
        programs = try Programs()
        directory = try TemporaryDirectory(prefix: "berth-fleet")
    }

    /// Runs `body` with a fleet of so many hosts, named `host-1`, `host-2`, ….
    static func run(
        hosts: Int, _ body: (isolated Fleet) async throws -> Void
    ) async throws {
        let fleet = try Fleet()
        do {
            try await fleet.start(hosts: hosts)
            try await body(fleet)
        } catch {
            await fleet.tellLogs()
            try await fleet.tearDown()
            throw error
        }
        try await fleet.tearDown()
    }

    // MARK: Commands

    /// Runs `berth` to its end.
    @discardableResult
    func berth(_ arguments: String...) async throws -> ChildResult {
        try await berth(arguments)
    }

    /// Runs `berth` to its end.
    func berth(_ arguments: [String]) async throws -> ChildResult {
        try await ChildProcess.run(
            programs.path("berth"), ["--config", path("client.json")] + arguments,
            environment: ["HOME": directory.path, "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"],
            outputLimitBytes: 16 << 20, deadline: .seconds(120))
    }

    /// Runs `berth`, which must succeed, and answers what it wrote.
    @discardableResult
    func done(
        _ arguments: String..., sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> String {
        let result = try await berth(arguments)
        guard result.isSuccess else {
            Issue.record(
                "berth \(arguments.joined(separator: " ")): \(result.exit): \(result.errorText)",
                sourceLocation: sourceLocation)
            throw FleetFailure()
        }
        return result.text
    }

    /// Runs `berth … -o json`, which must succeed, and answers the document.
    func document(_ arguments: String...) async throws -> JSONValue {
        let result = try await berth(arguments + ["-o", "json"])
        try #require(
            result.isSuccess, "berth \(arguments.joined(separator: " ")): \(result.errorText)")
        return try JSON.decode(JSONValue.self, from: result.output)
    }

    /// Runs a shell line with root's rights, which must succeed.
    @discardableResult
    func shell(_ line: String) async throws -> String {
        let result = try await ChildProcess.run(
            "bash", ["-euc", line], outputLimitBytes: 64 << 20, deadline: .seconds(120))
        try #require(result.isSuccess, "\(line): \(result.errorText)")
        return result.text
    }

    /// Everything of a tree, by the independent lister.
    func listing(_ tree: String, skipping name: String = "diary") async throws -> String {
        try await shell("\(programs.root)/scripts/list-tree.py '\(tree)' --skip \(name)")
    }

    /// Makes the awkward tree.
    func makeCorpus(bigMebibytes: Int = 4) async throws -> String {
        let tree = path("corpus")
        try await shell(
            "\(programs.root)/scripts/make-corpus.py '\(tree)' --awkward-only "
                + "--big-mib \(bigMebibytes)")
        return tree
    }

    func path(_ name: String) -> String { directory.path + "/" + name }

    /// Where a project's volume is on a host.
    func volume(_ project: String, on host: String) async throws -> String {
        let id = try await done("project", "show", project, "-o", "id").trimmed
        return path("\(host)/btrfs/projects/\(id)")
    }

    /// The operation's document.
    func operation(_ id: String) async throws -> JSONValue {
        try await document("operation", "show", id)
    }

    /// Looks until a condition holds.
    func eventually(
        _ what: String, within limit: Duration = .seconds(60),
        sourceLocation: SourceLocation = #_sourceLocation,
        _ condition: () async throws -> Bool
    ) async throws {
        let clock = ContinuousClock()
        let end = clock.now + limit
        while clock.now < end {
            if try await condition() { return }
            try await Task.sleep(for: .milliseconds(20))
        }
        Issue.record("\(what) did not happen within \(limit)", sourceLocation: sourceLocation)
        throw FleetFailure()
    }

    // MARK: Processes

    func startHub() async throws {
        try await spawn("hub", "berth-hub", ["serve", "--data", path("hub")])
        try await eventually("the hub's start") {
            try await listens()
        }
    }

    func startAgent(_ host: String) async throws {
        try await spawn(host, "berth-agent", ["run", "--data", path(host)])
    }

    /// Kills a process of the fleet at once, as a power cut would, and waits until it is gone.
    func kill(_ name: String) async throws {
        let process = try #require(processes.removeValue(forKey: name), "\(name) runs")
        try process.signal(SIGKILL)
        _ = try await process.wait()
    }

    /// Asks a process of the fleet to end, and waits until it has.
    func stop(_ name: String) async throws {
        guard let process = processes.removeValue(forKey: name) else { return }
        try process.signal(SIGTERM)
        if await process.waitUninterrupted(atMost: .seconds(20)) == nil {
            Issue.record("\(name) did not end on SIGTERM")
            try process.signal(SIGKILL)
            _ = try await process.wait()
        }
    }

    func waitUntilReady(_ host: String) async throws {
        try await eventually("\(host) being ready") {
            try await document("host", "show", host)["state"]?.text == "ready"
        }
    }

    private func spawn(_ name: String, _ program: String, _ arguments: [String]) async throws {
        let log = try Descriptor(
            opening: path("\(name).log"), flags: O_WRONLY | O_CREAT | O_APPEND, mode: 0o600)
        processes[name] = try await SpawnedProcess.start(
            programs.path(program), arguments, log: log, diesWithParent: true)
    }

    private func start(hosts: Int) async throws {
        try await shell("mkdir -p '\(path("hub"))'; chmod 711 '\(directory.path)'")
        let port = try await shell(
            "python3 -c 'import socket; s = socket.socket(); s.bind((\"127.0.0.1\", 0)); "
                + "print(s.getsockname()[1])'"
        ).trimmed
        let configuration = """
            listen = "127.0.0.1:\(port)"
            migrations = "\(programs.root)/Migrations"
            [limits]
            lease = "3s"

            """
        try DurableFile.write(Array(configuration.utf8), to: path("hub/hub.toml"))
        let made = try await ChildProcess.run(
            programs.path("berth-hub"), ["init", "--data", path("hub")], deadline: .seconds(60))
        try #require(made.isSuccess, "berth-hub init: \(made.errorText)")
        try await startHub()
        try await done(
            "login", "--token-file", path("hub/first-admin-token"), "--name", "tester")
        for number in 1...hosts {
            try await join("host-\(number)")
            try await startAgent("host-\(number)")
        }
        for number in 1...hosts { try await waitUntilReady("host-\(number)") }
    }

    private func join(_ host: String) async throws {
        let token = try await done("host", "enroll", host, "-o", "id")
        try await shell("mkdir -p '\(path(host))'")
        try DurableFile.write(Array(token.utf8), to: path("\(host).token"))
        let joined = try await ChildProcess.run(
            programs.path("berth-agent"),
            [
                "join", "--token-file", path("\(host).token"), "--data", path(host),
                "--loop-image", path("\(host)/btrfs.img"), "--size", "4G",
            ], deadline: .seconds(60))
        try #require(joined.isSuccess, "berth-agent join: \(joined.errorText)")
    }

    private func listens() async throws -> Bool {
        let port = try await shell("sed -n 's/^listen = .*:\\([0-9]*\\)\"/\\1/p' '\(path("hub/hub.toml"))'")
        let result = try await ChildProcess.run(
            "bash", ["-c", "exec 3<>/dev/tcp/127.0.0.1/\(port.trimmed)"])
        return result.isSuccess
    }

    /// Shows the last lines of every log, for the reader of a failure.
    private func tellLogs() async {
        // A failure to show logs must not hide the failure itself.
        let logs = try? await ChildProcess.run(
            "bash", ["-c", "tail -n 12 '\(directory.path)'/*.log"])
        print(logs?.text ?? "")
    }

    private func tearDown() async throws {
        for name in Array(processes.keys).sorted(by: >) { try await stop(name) }
        // The same removal as the demo's: only what lies below our directory.
        let removal = try await ChildProcess.run(
            "bash",
            [
                "-c",
                "ROOT='\(programs.root)' BIN='\(programs.directory)' FLEET='\(directory.path)'; "
                    + "source \"$ROOT/scripts/fleet-functions.sh\"; fleet_remove",
            ], deadline: .seconds(60))
        #expect(removal.isSuccess, "\(removal.errorText)")
    }
}

/// The reason was recorded where it happened.
struct FleetFailure: Error {}

extension String {
    /// Without the line end.
    var trimmed: String {
        String(self.reversed().drop { $0 == "\n" || $0 == " " }.reversed())
    }
}
