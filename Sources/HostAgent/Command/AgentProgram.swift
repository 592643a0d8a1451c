import Glibc
import Platform

/// The program `berth-agent`: hands the command line to a command and turns its failure into words
/// and an exit code.
public enum AgentProgram {
    /// Runs a command to its end.
    ///
    /// - Parameter arguments: what follows the program's name.
    /// - Returns: the exit code: 0 done, 1 failure, 2 usage or configuration, 5 refused, 6 not
    ///   allowed, 7 hub unreachable.
    public static func run(_ arguments: [String]) async -> Int32 {
        do {
            try Signals.ignorePipeAndHangUp()
            switch try CommandLineArguments.parse(arguments) {
            case .help: say(CommandLineArguments.usage)
            case .version: say("berth-agent \(AgentVersion.text)")
            case .join(let options): try await JoinCommand(options: options, say: say).run()
            case .run(let data): try await RunCommand(data: data).run()
            case .check(let data): return try await CheckCommand(data: data, say: say).run()
            case .unmount(let data):
                try await LeaveCommand(data: data, forgets: false, say: say).run()
            case .leave(let data):
                try await LeaveCommand(data: data, forgets: true, say: say).run()
            }
            return 0
        } catch {
            complain(error)
            return exitCode(of: error)
        }
    }

    private static func exitCode(of error: any Error) -> Int32 {
        switch error {
        case let error as AgentError: error.exitCode
        case is ConfigurationError: 2
        case let error as PlatformError where error.code == .locked: 5
        default: 1
        }
    }

    private static func say(_ text: String) { write(text + "\n", to: STDOUT_FILENO) }

    private static func complain(_ error: any Error) {
        write("berth-agent: \(error)\n", to: STDERR_FILENO)
    }

    private static func write(_ text: String, to descriptor: Int32) {
        let bytes = Array(text.utf8)
        // Whoever closed the output does not want it.
        _ = unsafe Glibc.write(descriptor, bytes, bytes.count)
    }
}
