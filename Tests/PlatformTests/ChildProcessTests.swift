import Glibc
import Platform
import Testing

@Suite("Child process", .timeLimit(.minutes(1)))
struct ChildProcessTests {
    @Test("output, error output and exit code arrive")
    func collects() async throws {
        let result = try await ChildProcess.run(
            "sh", ["-c", "echo out; echo err >&2; exit 3"])
        #expect(result.exit == .code(3))
        #expect(result.text == "out\n")
        #expect(result.errorText == "err\n")
        #expect(!result.isSuccess)
    }

    @Test("a megabyte goes in and comes out")
    func pipesBothWays() async throws {
        let input = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 / 7) }
        let result = try await ChildProcess.run("cat", [], input: input)
        #expect(result.output == input)
    }

    @Test("a child that does not read its input is no error")
    func unreadInput() async throws {
        let result = try await ChildProcess.run(
            "true", [], input: [UInt8](repeating: 1, count: 1_000_000))
        #expect(result.isSuccess)
    }

    @Test("directory and environment are as given")
    func surroundings() async throws {
        let directory = try TemporaryDirectory()
        let result = try await ChildProcess.run(
            "/bin/sh", ["-c", "pwd; echo $BERTH_WORD"], environment: ["BERTH_WORD": "ahoy"],
            directory: directory.path)
        #expect(result.text == "\(directory.path)\nahoy\n")
    }

    @Test("a signal that ends it is told apart from an exit code")
    func signaled() async throws {
        let result = try await ChildProcess.run("sh", ["-c", "kill -TERM $$"])
        #expect(result.exit == .signal(SIGTERM))
    }

    @Test("a program that does not exist is named in the error")
    func missing() async throws {
        let error = await #expect(throws: PlatformError.self) {
            try await ChildProcess.run("berth-no-such-program", [])
        }
        #expect(error?.code == .childProcess)
        #expect(error?.errno == ENOENT)
        #expect(error?.message.contains("berth-no-such-program") == true)
    }

    @Test("a file that is not executable is refused by exec, with its error number")
    func notExecutable() async throws {
        let error = await #expect(throws: PlatformError.self) {
            try await ChildProcess.run("/etc/passwd", [])
        }
        #expect(error?.errno == EACCES)
    }

    @Test("the deadline ends the whole process group")
    func deadline() async throws {
        let directory = try TemporaryDirectory()
        let script = "sleep 600 & echo $! > pid; sleep 600"
        await #expect(throws: DeadlineExceeded.self) {
            try await ChildProcess.run(
                "sh", ["-c", script], directory: directory.path, deadline: .milliseconds(300))
        }
        let text = String(
            decoding: try DurableFile.read(directory.path + "/pid"), as: UTF8.self)
        let grandchild = try #require(Int32(text.filter(\.isNumber)))
        try await eventually { ProcessTable.isGone(grandchild) }
    }

    @Test("cancelling the task ends the child")
    func cancelled() async throws {
        let directory = try TemporaryDirectory()
        await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                _ = try await ChildProcess.run(
                    "sh", ["-c", "echo $$ > pid; exec sleep 600"], directory: directory.path)
            }
            try? await eventually { unsafe access(directory.path + "/pid", F_OK) == 0 }
            group.cancelAll()
            await #expect(throws: CancellationError.self) { try await group.next() }
        }
    }

    @Test("more output than the limit is refused")
    func limit() async throws {
        let error = await #expect(throws: PlatformError.self) {
            try await ChildProcess.run("yes", [], outputLimitBytes: 100_000)
        }
        #expect(error?.code == .limitExceeded)
    }

    @Test("a daemon that keeps the output open does not hold the answer up")
    func daemonLeftBehind() async throws {
        let start = ContinuousClock.now
        let result = try await ChildProcess.run("sh", ["-c", "sleep 5 & echo started"])
        #expect(result.text == "started\n")
        #expect(ContinuousClock.now - start < .seconds(4))
    }

    @Test("the child runs as the user it is given, with no further groups")
    func user() async throws {
        try #require(getuid() == 0, "these tests run as root")
        let result = try await ChildProcess.run(
            "id", [], user: UserIdentity(userID: 61234, groupID: 61235))
        #expect(result.text == "uid=61234 gid=61235 groups=61235\n")
    }

    @Test("two hundred children leave no descriptor and no zombie behind")
    func leaks() async throws {
        let script = "ls /proc/self/fd | wc -l"
        for _ in 0..<4 {
            try await withThrowingTaskGroup(of: String.self) { group in
                for _ in 0..<50 {
                    group.addTask { try await ChildProcess.run("sh", ["-c", script]).text }
                }
                // Three standard ones, and the one that ls reads the directory with.
                for try await text in group { #expect(text.filter(\.isNumber) == "4") }
            }
        }
    }
}
