import CPlatform
import Dispatch
import Glibc

/// A long-running process: started here, or started by an earlier run of this program.
///
/// It is held by a pidfd (pidfd_open(2)), so no signal ever reaches another process that got the
/// same id later. It is reaped as soon as it ends, whether anybody waits or not.
public final class SpawnedProcess: Sendable {
    /// Its process id, and that of its process group and session.
    public let pid: Int32
    /// Field 22 of /proc/PID/stat, in clock ticks since boot: with `pid` it names this process
    /// until the machine restarts.
    public let startTime: UInt64

    private enum State {
        case running(waiting: [UInt64: CheckedContinuation<ChildExit?, Never>], next: UInt64)
        case ended(ChildExit)
    }

    private let process: Descriptor
    private let state = Locked(State.running(waiting: [:], next: 0))

    private init(pid: Int32, startTime: UInt64, process: consuming Descriptor) {
        self.pid = pid
        self.startTime = startTime
        self.process = process
    }

    /// Starts a program in a session and process group of its own.
    ///
    /// - Parameters:
    ///   - program: a path, or a name to look up in `PATH`.
    ///   - arguments: what follows the program's name.
    ///   - environment: all of its variables, default this program's own.
    ///   - directory: its working directory, default this program's own.
    ///   - user: who it runs as (needs root), default this program's own user.
    ///   - log: where its output and error output go, such as a file opened to append; the caller
    ///     may close it afterwards.
    ///   - diesWithParent: whether it is killed when this program ends, however it ends. It costs
    ///     a thread for as long as the process runs.
    ///   - controlGroup: which group it and all its descendants are in, default this program's.
    /// - Throws: `PlatformError` `childProcess` with the error number of the step that failed.
    public static func start(
        _ program: String, _ arguments: [String], environment: [String: String]? = nil,
        directory: String? = nil, user: UserIdentity? = nil, log: borrowing Descriptor,
        diesWithParent: Bool = false, controlGroup: ControlGroup? = nil
    ) async throws -> SpawnedProcess {
        let spawn = Spawn(
            program: program, arguments: arguments, environment: environment,
            directory: directory, user: user, diesWithParent: diesWithParent,
            controlGroup: controlGroup)
        let log = try log.duplicate()
        let queue = DispatchQueue(label: "berth.process \(program)")
        return try await withCheckedThrowingContinuation { continuation in
            queue.async {
                let started = Result { try log.withNumber { try start(spawn, log: $0) } }
                continuation.resume(with: started)
                // The signal of PR_SET_PDEATHSIG comes when the thread that forked ends, so this
                // one stays until the process is gone.
                if diesWithParent, case .success(let process) = started {
                    process.blockUntilEnd()
                }
            }
        }
    }

    private static func start(_ spawn: Spawn, log: Int32) throws -> SpawnedProcess {
        let pid = try spawn.start(input: -1, output: log, errorOutput: log)
        do {
            // It is our child and nobody reaps it before us: both calls find this process.
            let pidfd = try systemCall("watch process \(pid)") { berth_pidfd_open(pid) }
            let held = Descriptor(owning: pidfd)
            guard let entry = ProcessTable.entry(pid) else {
                throw PlatformError(code: .childProcess, message: "find /proc/\(pid)/stat")
            }
            let process = SpawnedProcess(pid: pid, startTime: entry.startTime, process: held)
            process.watch()
            return process
        } catch {
            kill(-pid, SIGKILL)
            var status: Int32 = 0
            unsafe waitpid(pid, &status, 0)
            throw error
        }
    }

    /// Takes up a process that an earlier run of this program started.
    ///
    /// - Parameters:
    ///   - pid: its id.
    ///   - startTime: its start time as it was recorded; on the same boot, see
    ///     `ProcessTable.bootID()`.
    /// - Returns: nil when that process is gone, even if another one has its id now. How an
    ///   adopted process ends is `unknown`.
    /// - Throws: `PlatformError` with the error number.
    public static func adopt(pid: Int32, startTime: UInt64) throws -> SpawnedProcess? {
        let pidfd = berth_pidfd_open(pid)
        if pidfd < 0, errno == ESRCH || errno == EINVAL { return nil }
        let process = Descriptor(owning: try systemCall("watch process \(pid)") { pidfd })
        // The descriptor came first: if the times agree now, it holds the right process.
        guard let entry = ProcessTable.entry(pid), entry.startTime == startTime, !entry.isZombie
        else { return nil }
        let adopted = SpawnedProcess(pid: pid, startTime: startTime, process: process)
        adopted.watch()
        return adopted
    }

    /// How it ended, or nil while it runs.
    public var exit: ChildExit? {
        state.withLock { state in
            switch state {
            case .running: nil
            case .ended(let exit): exit
            }
        }
    }

    /// Waits for its end; any number of tasks may.
    ///
    /// - Throws: `CancellationError` when the waiting task is cancelled, which leaves the process
    ///   alone.
    public func wait() async throws -> ChildExit {
        let ticket = state.withLock { state -> UInt64 in
            guard case .running(let waiting, let next) = state else { return 0 }
            state = .running(waiting: waiting, next: next + 1)
            return next
        }
        let exit = await withTaskCancellationHandler {
            await withCheckedContinuation { register($0, ticket: ticket) }
        } onCancel: {
            withdraw(ticket)
        }
        guard let exit else { throw CancellationError() }
        return exit
    }

    /// Waits for its end, also when the task is cancelled, as an orderly stop must.
    ///
    /// - Parameter limit: how long at most.
    /// - Returns: how it ended, or nil when it still runs.
    public func waitUninterrupted(atMost limit: Duration) async -> ChildExit? {
        let queue = DispatchQueue(label: "berth.process.stop")
        return await withCheckedContinuation { continuation in
            queue.async {
                self.blockUntilEnd(atMost: limit)
                _ = self.end()
                continuation.resume(returning: self.exit)
            }
        }
    }

    /// Sends a signal to this one process; when it has ended, nothing happens.
    ///
    /// - Throws: `PlatformError` with the error number, such as that of a missing permission.
    public func signal(_ number: Int32) throws {
        let answer = process.withNumber { berth_pidfd_send_signal($0, number) }
        guard answer < 0, errno != ESRCH else { return }
        throw PlatformError(code: .systemCall, message: "signal process \(pid)", errno: errno)
    }

    /// Sends a signal to the whole process group, also when its leader has ended.
    ///
    /// - Throws: `PlatformError` with the error number; an empty group is no error.
    public func signalGroup(_ number: Int32) throws {
        for member in try groupMembers() {
            guard kill(member, number) < 0, errno != ESRCH else { continue }
            throw PlatformError(
                code: .systemCall, message: "signal process \(member)", errno: errno)
        }
    }

    /// The processes of its session that have not ended, the first process included.
    ///
    /// A member that starts another while this looks may hide it once: ask until it is empty.
    /// - Throws: `PlatformError` when /proc cannot be read.
    public func groupMembers() throws -> [Int32] {
        // The kernel gives the number to nobody else while the session has a member; the start
        // time excludes a later session of the same number.
        try ProcessTable.all().filter { $0.session == pid && $0.startTime >= startTime }.map(\.pid)
    }

    private func register(_ continuation: CheckedContinuation<ChildExit?, Never>, ticket: UInt64) {
        let answer = state.withLock { state -> ChildExit?? in
            switch state {
            case .ended(let exit): return .some(exit)
            case .running(var waiting, let next):
                // A cancellation that comes later finds the continuation.
                if Task.isCancelled { return .some(nil) }
                waiting[ticket] = continuation
                state = .running(waiting: waiting, next: next)
                return nil
            }
        }
        if let answer { continuation.resume(returning: answer) }
    }

    private func withdraw(_ ticket: UInt64) {
        let continuation = state.withLock { state -> CheckedContinuation<ChildExit?, Never>? in
            guard case .running(var waiting, let next) = state else { return nil }
            let continuation = waiting.removeValue(forKey: ticket)
            state = .running(waiting: waiting, next: next)
            return continuation
        }
        continuation?.resume(returning: nil)
    }

    /// Has `end()` called once when the process ends.
    private func watch() {
        // Sources are thread-safe objects (dispatch_source_create(3)); only the type does not say so.
        nonisolated(unsafe) let source = process.withNumber {
            DispatchSource.makeReadSource(
                fileDescriptor: $0, queue: DispatchQueue(label: "berth.process.end"))
        }
        // The source keeps this object, and with it the descriptor, until it is cancelled.
        unsafe source.setEventHandler { @Sendable in
            if self.end() { unsafe source.cancel() }
        }
        unsafe source.resume()
    }

    /// Reaps it and tells those who wait; answers false when it has not ended after all.
    private func end() -> Bool {
        typealias Told = (exit: ChildExit, waiting: [CheckedContinuation<ChildExit?, Never>])
        // Reaped under the lock: of two callers the second must not find that nothing is left.
        let told = state.withLock { state -> Told? in
            switch state {
            case .ended(let exit): return (exit, [])
            case .running(let waiting, _):
                guard let exit = reap() else { return nil }
                state = .ended(exit)
                return (exit, Array(waiting.values))
            }
        }
        guard let told else { return false }
        for continuation in told.waiting { continuation.resume(returning: told.exit) }
        return true
    }

    /// How it ended, without waiting; nil while it runs.
    private func reap() -> ChildExit? {
        var status: Int32 = 0
        var got: Int32 = -1
        repeat { got = unsafe waitpid(pid, &status, WNOHANG) } while got < 0 && errno == EINTR
        if got == 0 { return nil }
        if got == pid { return ChildExit(status: status) }
        // ECHILD: an adopted process, or SIGCHLD is ignored. Its descriptor says whether it ended.
        return hasEnded(waitingMilliseconds: 0) ? .unknown : nil
    }

    private func blockUntilEnd(atMost limit: Duration? = nil) {
        let end = limit.map { ContinuousClock.now + $0 }
        while true {
            let left = end.map { max(.zero, $0 - .now) / .milliseconds(1) }
            let milliseconds = left.map { Int32(min($0.rounded(.up), 3_600_000)) } ?? -1
            if hasEnded(waitingMilliseconds: milliseconds) || left == 0 { return }
        }
    }

    /// Whether poll(2) finds it ended; -1 waits until it has, or a signal comes.
    private func hasEnded(waitingMilliseconds limit: Int32) -> Bool {
        process.withNumber { number in
            var polled = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
            return unsafe poll(&polled, 1, limit) > 0
        }
    }
}
