import Glibc
import Platform
import Testing

@testable import CLI

/// The built program `berth`, with a home of its own.
struct BerthProcess: Sendable {
    let home: TemporaryDirectory

    init() throws {
        home = try TemporaryDirectory(prefix: "berth-cli")
    }

    /// A login at a hub, without `berth login`.
    init(loggedInTo address: String) throws {
        try self.init()
        let context = Context(hubs: [address], name: "anna", token: "secret-token", authority: nil)
        try context.save(to: contextPath)
    }

    var contextPath: String { home.path + "/.config/berth/config.json" }

    /// Beside the bundle that these tests are in.
    static func program() throws -> String {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = try systemCall("find the test bundle") {
            unsafe readlink("/proc/self/exe", &buffer, buffer.count - 1)
        }
        let path = String(
            decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let directory = path.prefix(upTo: try #require(path.lastIndex(of: "/")))
        let beside = String(directory) + "/berth"
        if unsafe access(beside, X_OK) == 0 { return beside }
        // A bundle loaded by a helper: its path is among the helper's words.
        let bundle = try #require(CommandLine.arguments.first { $0.contains(".xctest") })
        let slash = try #require(bundle.lastIndex(of: "/"))
        return String(bundle.prefix(upTo: slash)) + "/berth"
    }

    private func variables(_ more: [String: String]) -> [String: String] {
        var all = ["HOME": home.path, "PATH": "/usr/bin:/bin", "TERM": "xterm", "LANG": "C.UTF-8"]
        all.merge(more) { $1 }
        return all
    }

    /// Runs it to its end, without a terminal.
    func run(
        _ arguments: [String], environment: [String: String] = [:], input: String = ""
    ) async throws -> ChildResult {
        try await ChildProcess.run(
            Self.program(), arguments, environment: variables(environment),
            input: Array(input.utf8), deadline: .seconds(60))
    }

    /// Runs a line of bash in which `$berth` is the program.
    func shell(_ line: String, input: String = "") async throws -> ChildResult {
        try await ChildProcess.run(
            "bash", ["-c", line], environment: variables(["berth": Self.program()]),
            directory: home.path, input: Array(input.utf8), deadline: .seconds(60))
    }

    /// Runs it on a terminal of its own, where everything lands in one output.
    func onTerminal(_ words: String, input: String = "") async throws -> ChildResult {
        try await shell(
            "script -qefc \"stty cols 100; $berth \(words)\" /dev/null", input: input)
    }
}

extension ChildResult {
    /// The exit code, nil after a signal.
    var code: Int32? {
        guard case .code(let code) = exit else { return nil }
        return code
    }
}
