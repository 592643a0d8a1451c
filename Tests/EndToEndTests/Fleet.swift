import Glibc
import Platform
import Shared
import Testing

/// A hub and hosts of real processes on this machine: PostgreSQL, btrfs on loop devices, TLS.
///
/// `Fleet.run` tears everything down, also when the test fails.
actor Fleet {
    let programs: Programs
    let directory: TemporaryDirectory
    private var processes: [String: SpawnedProcess] = [:]

    private init() throws {
        programs = try Programs()
        directory = try TemporaryDirectory(prefix: "berth-fleet")
    }

    /// Runs `body` with a fleet of so many hosts, named `host-1`, `host-2`, ….
    ///
    /// - Parameter limits: further lines of the hub's `[limits]`.
    static func run(
        hosts: Int, limits: String = "", _ body: (isolated Fleet) async throws -> Void
    ) async throws {
        let fleet = try Fleet()
        do {
            try await fleet.start(hosts: hosts, limits: limits)
            try await body(fleet)
        } catch {
            await fleet.tellLogs()
            try await fleet.tearDown()
            throw error
        }
        try await fleet.tearDown()
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
        let removed = processes.removeValue(forKey: name)
        let process = try #require(removed, "\(name) runs")
        try process.signal(SIGKILL)
        _ = try await process.wait()
    }

    /// Sends a signal to a process of the fleet, which stays.
    func signal(_ name: String, _ number: Int32) throws {
        try #require(processes[name], "\(name) runs").signal(number)
    }

    /// Waits until a process of the fleet ends by itself.
    func end(of name: String) async throws -> ChildExit? {
        let removed = processes.removeValue(forKey: name)
        let process = try #require(removed, "\(name) runs")
        let exit = await process.waitUninterrupted(atMost: .seconds(60))
        if exit == nil { processes[name] = process }
        return exit
    }

    /// Asks a process of the fleet to end, and waits until it has.
    func stop(_ name: String) async throws {
        guard let process = processes.removeValue(forKey: name) else { return }
        try process.signal(SIGTERM)
        if await process.waitUninterrupted(atMost: .seconds(20)) == nil {
            Issue.record("\(name) did not end on SIGTERM")
            try process.signal(SIGKILL)
            _ = await process.waitUninterrupted(atMost: .seconds(20))
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

    private func start(hosts: Int, limits: String) async throws {
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
            \(limits)

            """
        try DurableFile.write(Array(configuration.utf8), to: path("hub/hub.toml"))
        let made = try await ChildProcess.run(
            programs.path("berth-hub"), ["init", "--data", path("hub")], deadline: .seconds(60))
        try #require(made.isSuccess, "berth-hub init: \(made.errorText)")
        try await startHub()
        try await done(
            "login", "--token-file", path("hub/first-admin-token"), "--name", "tester")
        for number in 0..<hosts {
            try await join("host-\(number + 1)")
            try await startAgent("host-\(number + 1)")
        }
        for number in 0..<hosts { try await waitUntilReady("host-\(number + 1)") }
    }

    /// Makes a directory a host's, on a loop image of this size.
    func join(_ host: String, size: String = "4G") async throws {
        let token = try await done("host", "enroll", host, "-o", "id")
        try await shell("mkdir -p '\(path(host))'")
        try DurableFile.write(Array(token.utf8), to: path("\(host).token"))
        let joined = try await ChildProcess.run(
            programs.path("berth-agent"),
            [
                "join", "--token-file", path("\(host).token"), "--data", path(host),
                "--loop-image", path("\(host)/btrfs.img"), "--size", size,
            ], deadline: .seconds(60))
        try #require(joined.isSuccess, "berth-agent join: \(joined.errorText)")
    }

    private func listens() async throws -> Bool {
        let port = try await shell(
            "sed -n 's/^listen = .*:\\([0-9]*\\)\"/\\1/p' '\(path("hub/hub.toml"))'")
        let result = try await ChildProcess.run(
            "bash", ["-c", "exec 3<>/dev/tcp/127.0.0.1/\(port.trimmed)"])
        return result.isSuccess
    }

    /// Shows the last lines of every log, for the reader of a failure.
    private func tellLogs() async {
        // A failure to show logs must not hide the failure itself.
        let logs = try? await ChildProcess.run(
            "bash", ["-c", "tail -n 25 '\(directory.path)'/*.log"])
        print(logs?.text ?? "")
    }

    /// Removes everything, also when the test was cancelled by its time limit.
    private func tearDown() async throws {
        for name in Array(processes.keys).sorted(by: >) { try await stop(name) }
        var removal = Removal(programs: programs, directory: directory.path)
        try await removal.noteControlGroups()
        try await removal.run()
        let left = try await removal.leftovers()
        #expect(left.isEmpty, "the fleet left behind: \(left)")
    }
}

/// The reason was recorded where it happened.
struct FleetFailure: Error {}
