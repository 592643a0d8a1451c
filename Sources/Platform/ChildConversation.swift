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
        wake.withNumber { unsafe write($0, &one, 8) }
    }

    /// Starts the child and stays with it.
    func run() throws -> ChildResult {
        let end = deadline.map { ContinuousClock.now + $0 }
        let inputPipe = try Pipe(ours: .writing)
        let outputPipe = try Pipe(ours: .reading)
        let errorPipe = try Pipe(ours: .reading)
        let pid = try inputPipe.theirs.withNumber { input in
            try outputPipe.theirs.withNumber { output in
                try errorPipe.theirs.withNumber { errorOutput in
                    try spawn.start(input: input, output: output, errorOutput: errorOutput)
                }
            }
        }
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
            let events = try wait(process, sending, output, errorOutput, until: end)
            if events[1] { throw CancellationError() }
            if !events.contains(true), let deadline {
                throw DeadlineExceeded(spawn.program, limit: deadline)
            }
            if events[2] { sending.advance() }
            if events[3] { try output.advance() }
            if events[4] { try errorOutput.advance() }
            if events[0] { exit = Self.reap(pid) }
        }
        // What it wrote just before its end is in the pipes still.
        while try output.advance() {}
        while try errorOutput.advance() {}
        return ChildResult(
            exit: exit ?? .unknown, output: output.bytes, errorOutput: errorOutput.bytes)
    }

    /// Waits until something is ready, and answers what: the end of the process, a cancellation, room
    /// for input, output, error output; nothing when `end` has come.
    private func wait(
        _ process: borrowing Descriptor, _ input: borrowing ChildInput,
        _ output: borrowing ChildOutput, _ errorOutput: borrowing ChildOutput,
        until end: ContinuousClock.Instant?
    ) throws -> [Bool] {
        try process.withNumber { process in
            try wake.withNumber { wake in
                try input.withNumber { input in
                    try output.withNumber { output in
                        try errorOutput.withNumber { errorOutput in
                            var polled = [process, wake, input, output, errorOutput].map {
                                pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
                            }
                            polled[2].events = Int16(POLLOUT)
                            try Self.poll(&polled, until: end)
                            return polled.map { $0.revents != 0 }
                        }
                    }
                }
            }
        }
    }

    /// Returns when something is ready or `end` has come.
    private static func poll(
        _ polled: inout [pollfd], until end: ContinuousClock.Instant?
    ) throws {
        while true {
            var milliseconds: Int32 = -1
            if let end {
                let left = max(.zero, end - .now) / .milliseconds(1)
                milliseconds = Int32(min(left.rounded(.up), 3_600_000))
            }
            let ready = unsafe Glibc.poll(&polled, nfds_t(polled.count), milliseconds)
            if ready > 0 { return }
            if ready < 0, errno != EINTR {
                throw PlatformError(code: .systemCall, message: "poll", errno: errno)
            }
            if ready == 0, let end, end <= .now { return }
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
