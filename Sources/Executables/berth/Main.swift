import CLI
import Glibc
import Platform

/// The command `berth`: hands the process's words and variables to the program.
@main
enum Main {
    static func main() async {
        signal(SIGPIPE, SIG_IGN)
        let program = CommandLineProgram(
            arguments: arguments(), environment: environment())
        do {
            let interruptions = try Signals.termination()
            // Not exit(3): the libraries' clean-up would free what the client's thread still uses.
            // Everything that was said is written already.
            _exit(await program.run(interruptions: interruptions) { _exit($0) })
        } catch {
            let line = Array("error: \(error)\n".utf8)
            unsafe write(2, line, line.count)
            exit(1)
        }
    }

    /// The words after the program's name in raw bytes: file names need not be UTF-8.
    private static func arguments() -> [[UInt8]] {
        (1..<max(1, Int(CommandLine.argc))).compactMap { index in
            unsafe CommandLine.unsafeArgv[index].map { word in
                unsafe Array(UnsafeRawBufferPointer(start: word, count: strlen(word)))
            }
        }
    }

    private static func environment() -> [String: String] {
        let names = [
            "HOME", "XDG_CONFIG_HOME", "BERTH_CONFIG", "BERTH_HUB", "BERTH_PROGRESS",
            "BERTH_NO_COLOR", "NO_COLOR", "TERM", "COLUMNS",
        ]
        var values: [String: String] = [:]
        for name in names {
            values[name] = unsafe getenv(name).map { unsafe String(cString: $0) }
        }
        return values
    }
}
