import Glibc
import HTTP
import Platform
import Shared
import Testing

@testable import HostAgent

/// A host with its own loop image, data directory and real `berth-agent` process, joined to a
/// scripted hub.
final class TestHost: Sendable {
    let directory: TemporaryDirectory
    let hub: ScriptedHub
    private let port: UInt16
    private let agent = Locked(SpawnedProcess?.none)

    var data: String { directory.path + "/data" }
    var layout: VolumeLayout { VolumeLayout(root: data + "/btrfs") }

    /// The agent's program, which is built beside the tests.
    static var program: String {
        get throws {
            var buffer = [CChar](repeating: 0, count: 4096)
            let count = try systemCall("find this program") {
                unsafe readlink("/proc/self/exe", &buffer, buffer.count)
            }
            let path = String(
                decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
            return path.split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" }
                + "/berth-agent"
        }
    }

    private init(directory: TemporaryDirectory, hub: ScriptedHub, port: UInt16) {
        self.directory = directory
        self.hub = hub
        self.port = port
    }

    /// Joins and starts an agent for the duration of `body`, then removes everything.
    static func run(
        leaseMilliseconds: Int64 = 6000, starts: Bool = true,
        _ body: @Sendable (TestHost) async throws -> Void
    ) async throws {
        let directory = try TemporaryDirectory(prefix: "berth-agent")
        // The projects' users walk through it.
        try systemCall("open the directory") { unsafe chmod(directory.path, 0o711) }
        try systemCall("make") { unsafe mkdir(directory.path + "/bucket", 0o700) }
        let hub = try ScriptedHub(
            directory: directory.path + "/bucket", leaseMilliseconds: leaseMilliseconds)
        let server = try hub.server()
        let host = TestHost(directory: directory, hub: hub, port: server.port)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            defer { group.cancelAll() }
            do {
                try await host.join()
                if starts { try await host.start() }
                try await body(host)
            } catch {
                Issue.record("\(error)\n\(host.log)")
                try await host.end()
                throw error
            }
            try await host.end()
        }
    }

    private func join() async throws {
        let token = try hub.joinToken(port: port)
        let result = try await command([
            "join", "--token", token, "--data", data, "--loop-image",
            directory.path + "/image", "--size", "1G",
        ])
        try #require(result.isSuccess, "\(result.errorText)")
    }

    /// Runs a command of the agent to its end.
    func command(_ arguments: [String]) async throws -> ChildResult {
        try await ChildProcess.run(try Self.program, arguments, deadline: .seconds(60))
    }

    /// Starts the agent.
    func start() async throws {
        let log = try Descriptor(
            opening: directory.path + "/agent.log", flags: O_WRONLY | O_CREAT | O_APPEND)
        let process = try await SpawnedProcess.start(
            try Self.program, ["run", "--data", data], log: log)
        agent.withLock { $0 = process }
    }

    /// The agent's process; nil while there is none.
    var process: SpawnedProcess? { agent.withLock { $0 } }

    /// Ends the agent as a power failure would.
    func kill() async throws {
        guard let process = agent.withLock({ $0 }) else { return }
        try process.signal(SIGKILL)
        _ = try await process.wait()
        agent.withLock { $0 = nil }
    }

    /// What the agent has logged.
    var log: String {
        let bytes = (try? DurableFile.read(directory.path + "/agent.log", limitBytes: 64 << 20))
        return String(decoding: (bytes ?? []).suffix(6000), as: UTF8.self)
    }

    private func end() async throws {
        try await kill()
        let result = try await command(["unmount", "--data", data])
        #expect(result.isSuccess, "\(result.errorText)")
    }

    /// A project that nobody else in the process table is.
    func project(generation: Int64 = 1) -> VolumeReference {
        let uid = UInt32.random(in: 200_000...2_000_000_000)
        return VolumeReference(project: .make(), generation: generation, uid: uid, gid: uid)
    }

    /// Runs a shell script in a directory, as root, and answers what it wrote.
    @discardableResult
    func shell(_ script: String, in directory: String) async throws -> String {
        let result = try await ChildProcess.run(
            "/bin/sh", ["-ec", script], directory: directory, deadline: .seconds(120))
        try #require(result.isSuccess, "\(result.errorText)")
        return result.text
    }

    /// Everything about a tree that a restore must give back, as text.
    func listing(of path: String) async throws -> String {
        try await shell(
            """
            find . -mindepth 1 ! -type d -printf '%P|%y|%m|%U|%G|%s|%T@|%l|%n\\n' | sort
            find . -mindepth 1 -type d -printf '%P|%y|%m|%U|%G|%T@\\n' | sort
            find . -type f -print0 | sort -z | xargs -0 -r sha256sum
            getfattr -h -d -m - -R . 2>/dev/null | sort
            """, in: path)
    }
}

extension OperationOutcome {
    /// The result of an operation that succeeded.
    func value<Value: Decodable>(_ type: Value.Type) throws -> Value {
        try #require(state == .succeeded, "\(String(describing: failure))")
        return try JSON.decode(type, from: try #require(result))
    }
}
