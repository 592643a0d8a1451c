import CPlatform
import Dispatch

/// Runs another program to its end and answers with what it said.
public enum ChildProcess {
    /// Runs a program in a session of its own, feeds its standard input and collects its output.
    ///
    /// It ends when the program has ended, even if a daemon that it left behind keeps its output
    /// open. The program is killed with its process group when the deadline passes, the task is
    /// cancelled, it says more than the limit, or this program dies.
    /// - Parameters:
    ///   - program: a path, or a name to look up in `PATH`.
    ///   - arguments: what follows the program's name.
    ///   - environment: all of its variables, default this program's own.
    ///   - directory: its working directory, default this program's own.
    ///   - input: its standard input; the program need not read all of it.
    ///   - outputLimitBytes: the most that it may write, for each of output and error output,
    ///     default 1 MiB.
    ///   - user: who it runs as (needs root), default this program's own user.
    ///   - controlGroup: which group it and all its descendants are in, default this program's.
    ///   - deadline: how long it may take, default for ever.
    /// - Returns: how it ended and what it wrote; a code other than zero is a normal result.
    /// - Throws: `PlatformError` when it cannot be started (`childProcess`, with the error number)
    ///   or says too much (`limitExceeded`); `DeadlineExceeded`; `CancellationError`.
    public static func run(
        _ program: String, _ arguments: [String], environment: [String: String]? = nil,
        directory: String? = nil, input: [UInt8] = [], outputLimitBytes: Int = 1 << 20,
        user: UserIdentity? = nil, controlGroup: ControlGroup? = nil, deadline: Duration? = nil
    ) async throws -> ChildResult {
        try Task.checkCancellation()
        // It dies with the thread that spawned it, which stays with it to the end.
        let spawn = Spawn(
            program: program, arguments: arguments, environment: environment,
            directory: directory, user: user, diesWithParent: true, controlGroup: controlGroup)
        let conversation = try ChildConversation(
            spawn: spawn, input: input, limitBytes: outputLimitBytes, deadline: deadline)
        let queue = DispatchQueue(label: "berth.child \(program)")
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                queue.async { continuation.resume(with: Result { try conversation.run() }) }
            }
        } onCancel: {
            conversation.cancel()
        }
    }
}
