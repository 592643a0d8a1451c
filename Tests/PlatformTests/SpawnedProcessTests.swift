import Glibc
import Platform
import Testing

@Suite("Spawned process", .timeLimit(.minutes(1)))
struct SpawnedProcessTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func log() throws -> Descriptor {
        try Descriptor(
            opening: directory.path + "/log", flags: O_WRONLY | O_CREAT | O_APPEND)
    }

    private func logged() throws -> String {
        String(decoding: try DurableFile.read(directory.path + "/log"), as: UTF8.self)
    }

    @Test("it writes to its log and ends with its code, for everybody who waits")
    func waits() async throws {
        let process = try await SpawnedProcess.start(
            "sh", ["-c", "echo out; echo err >&2; exit 7"], log: try log())
        async let first = process.wait()
        async let second = process.wait()
        #expect(try await first == .code(7))
        #expect(try await second == .code(7))
        #expect(try await process.wait() == .code(7))
        #expect(process.exit == .code(7))
        #expect(try logged() == "out\nerr\n")
        #expect(ProcessTable.entry(process.pid) == nil, "no zombie is left")
    }

    @Test("it leads a session of its own and its start time is that of /proc")
    func identity() async throws {
        let process = try await SpawnedProcess.start("sleep", ["600"], log: try log())
        let entry = try #require(ProcessTable.entry(process.pid))
        #expect(entry.session == process.pid)
        #expect(entry.group == process.pid)
        #expect(entry.startTime == process.startTime)
        #expect(entry.parent == getpid())
        #expect(process.exit == nil)
        try process.signal(SIGKILL)
        #expect(try await process.wait() == .signal(SIGKILL))
        try process.signal(SIGKILL)
    }

    @Test("the group gets a signal even when its leader has ended")
    func group() async throws {
        let process = try await SpawnedProcess.start(
            "sh", ["-c", "sleep 600 & sleep 600 & exit 0"], log: try log())
        #expect(try await process.wait() == .code(0))
        #expect(try process.groupMembers().count == 2)
        try process.signalGroup(SIGKILL)
        try await eventually { try process.groupMembers().isEmpty }
        try process.signalGroup(SIGKILL)
    }

    @Test("it runs as its user, and is found by it")
    func user() async throws {
        try #require(getuid() == 0, "these tests run as root")
        let identity = UserIdentity(userID: 61237, groupID: 61238)
        let process = try await SpawnedProcess.start(
            "sleep", ["600"], user: identity, log: try log())
        #expect(try ProcessTable.processes(ofUser: 61237) == [process.pid])
        try process.signal(SIGTERM)
        #expect(try await process.wait() == .signal(SIGTERM))
        #expect(try ProcessTable.processes(ofUser: 61237).isEmpty)
    }

    @Test("a process of an earlier run is adopted by id and start time only")
    func adopts() async throws {
        // The shell ends at once, so that its child belongs to somebody else.
        _ = try await ChildProcess.run(
            "sh", ["-c", "setsid sleep 600 > /dev/null 2>&1 & echo $! > pid"],
            directory: directory.path)
        let text = String(decoding: try DurableFile.read(directory.path + "/pid"), as: UTF8.self)
        let pid = try #require(Int32(text.filter(\.isNumber)))
        let entry = try #require(ProcessTable.entry(pid))
        #expect(try SpawnedProcess.adopt(pid: pid, startTime: entry.startTime + 1) == nil)
        let adopted = try #require(
            try SpawnedProcess.adopt(pid: pid, startTime: entry.startTime))
        #expect(await adopted.waitUninterrupted(atMost: .milliseconds(10)) == nil)
        #expect(adopted.exit == nil)
        try adopted.signal(SIGKILL)
        #expect(try await adopted.wait() == .unknown)
        #expect(try SpawnedProcess.adopt(pid: pid, startTime: entry.startTime) == nil)
    }

    @Test("whoever waits can be cancelled; the process goes on")
    func cancelledWait() async throws {
        let process = try await SpawnedProcess.start("sleep", ["600"], log: try log())
        await #expect(throws: DeadlineExceeded.self) {
            try await withDeadline(.milliseconds(50), "wait") { try await process.wait() }
        }
        #expect(process.exit == nil)
        try process.signal(SIGKILL)
        #expect(try await process.wait() == .signal(SIGKILL))
    }

    @Test("an orderly stop waits even in a cancelled task, and only for its time")
    func uninterrupted() async throws {
        let process = try await SpawnedProcess.start("sleep", ["600"], log: try log())
        let ends = await withTaskGroup(of: [ChildExit?].self) { group in
            group.addTask {
                let none = await process.waitUninterrupted(atMost: .milliseconds(20))
                // A process that has ended cannot be signalled: the answers show what happened.
                try? process.signal(SIGTERM)
                return [none, await process.waitUninterrupted(atMost: .seconds(30))]
            }
            group.cancelAll()
            return await group.next() ?? []
        }
        #expect(ends == [nil, .signal(SIGTERM)])
        #expect(try await process.wait() == .signal(SIGTERM))
    }

    @Test("a process that dies with its parent outlives the task that started it")
    func diesWithParent() async throws {
        let process = try await SpawnedProcess.start(
            "sleep", ["600"], log: try log(), diesWithParent: true)
        for _ in 0..<20 { _ = try await ChildProcess.run("true", []) }
        #expect(process.exit == nil)
        try process.signal(SIGTERM)
        #expect(try await process.wait() == .signal(SIGTERM))
    }

    @Test("a program that cannot be started is an error with its number")
    func missing() async throws {
        let error = await #expect(throws: PlatformError.self) {
            try await SpawnedProcess.start(
                "/nowhere/program", [], directory: directory.path, log: try log())
        }
        #expect(error?.errno == ENOENT)
    }
}
