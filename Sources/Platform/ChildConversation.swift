import CPlatform
import Glibc

/// The talk with one child over its three pipes, until it has ended; runs on a thread of its own.
final class ChildConversation: Sendable {
    private let spawn: Spawn
    private let input: [UInt8]
    private let limitBytes: Int
    private let deadline: Duration?
    private let wake: Descriptor

    init(spawn: Spawn, input: [UInt8], limitBytes: Int, deadline: Duration?) throws {
        self.spawn = spawn
        self.input = input
        self.limitBytes = limitBytes
        self.deadline = deadline
        wake = Descriptor(owning: try systemCall("make an event descriptor") { berth_eventfd() })
    }

    /// Ends the child soon, from any thread and at any time.
    func cancel() {
        var one: UInt64 = 1
        unsafe write(wake.number, &one, 8)
    }

    /// Starts the child and stays with it.
    func run() throws -> ChildResult {
        let end = deadline.map { ContinuousClock.now + $0 }
        let inputPipe = try Pipe(ours: .writing)
        let outputPipe = try Pipe(ours: .reading)
        let errorPipe = try Pipe(ours: .reading)
        let pid = try spawn.start(
            input: inputPipe.theirs.number, output: outputPipe.theirs.number,
            errorOutput: errorPipe.theirs.number)
        var exit: ChildExit?
        defer {
            // Only on the ways out that throw; its whole group goes, then it is reaped.
            if exit == nil {
                kill(-pid, SIGKILL)
                _ = Self.reap(pid)
            }
        }
        let process = Descriptor(
            owning: try systemCall("watch process \(pid)") { berth_pidfd_open(pid) })
        var sending = ChildInput(inputPipe.keepOurs(), bytes: input)
        var output = ChildOutput(outputPipe.keepOurs(), of: spawn.program, limitBytes: limitBytes)
        var errorOutput = ChildOutput(
            errorPipe.keepOurs(), of: spawn.program, limitBytes: limitBytes)
        while exit == nil {
            var polled = [
                pollfd(fd: process.number, events: Int16(POLLIN), revents: 0),
                pollfd(fd: wake.number, events: Int16(POLLIN), revents: 0),
                pollfd(fd: sending.number, events: Int16(POLLOUT), revents: 0),
                pollfd(fd: output.number, events: Int16(POLLIN), revents: 0),
                pollfd(fd: errorOutput.number, events: Int16(POLLIN), revents: 0),
            ]
            let ready = try Self.wait(&polled, until: end)
            if polled[1].revents != 0 { throw CancellationError() }
            if ready == 0, let deadline {
                throw DeadlineExceeded(spawn.program, limit: deadline)
            }
            if polled[2].revents != 0 { sending.advance() }
            if polled[3].revents != 0 { try output.advance() }
            if polled[4].revents != 0 { try errorOutput.advance() }
            if polled[0].revents != 0 { exit = Self.reap(pid) }
        }
        // What it wrote just before its end is in the pipes still.
        while try output.advance() {}
        while try errorOutput.advance() {}
        return ChildResult(
            exit: exit ?? .unknown, output: output.bytes, errorOutput: errorOutput.bytes)
    }

    /// Answers 0 when `end` has come and nothing is ready.
    private static func wait(
        _ polled: inout [pollfd], until end: ContinuousClock.Instant?
    ) throws -> Int32 {
        while true {
            var milliseconds: Int32 = -1
            if let end {
                let left = max(.zero, end - .now) / .milliseconds(1)
                milliseconds = Int32(min(left.rounded(.up), 3_600_000))
            }
            let ready = unsafe poll(&polled, nfds_t(polled.count), milliseconds)
            if ready > 0 { return ready }
            if ready < 0, errno != EINTR {
                throw PlatformError(code: .systemCall, message: "poll", errno: errno)
            }
            if ready == 0, let end, end <= .now { return 0 }
        }
    }

    private static func reap(_ pid: Int32) -> ChildExit {
        var status: Int32 = 0
        while unsafe waitpid(pid, &status, 0) < 0 {
            // ECHILD: somebody else, such as an ignored SIGCHLD, has reaped it.
            if errno != EINTR { return .unknown }
        }
        return ChildExit(status: status)
    }
}
