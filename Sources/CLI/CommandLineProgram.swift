import Glibc
import Platform

/// The program `berth`, apart from the process it runs in.
public struct CommandLineProgram: Sendable {
    private let arguments: [Argument]
    private let environment: [String: String]

    /// - Parameters:
    ///   - arguments: the words after the program's name, in raw bytes.
    ///   - environment: the process's variables.
    public init(arguments: [[UInt8]], environment: [String: String]) {
        self.arguments = arguments.map { Argument(bytes: $0) }
        self.environment = environment
    }

    /// Runs the command line to its end.
    ///
    /// - Parameters:
    ///   - interruptions: its first element is Ctrl-C or a request to end.
    ///   - leave: ends the process at once; what an operation does at the hub goes on.
    /// - Returns: what the process exits with.
    public func run(
        interruptions: AsyncStream<Int32>, leave: @escaping @Sendable (Int32) -> Void
    ) async -> Int32 {
        let inFlight = InFlight()
        let surface = surface()
        let watching = Console(surface: surface, isQuiet: false)
        return await withTaskGroup(of: Int32?.self) { group in
            group.addTask { await execute(surface, inFlight).rawValue }
            group.addTask {
                for await number in interruptions {
                    if surface.isErrorsTerminal { await watching.complain("") }
                    if let words = inFlight.lastWords { await watching.complain(words) }
                    leave(number == SIGINT ? ExitCode.interrupted.rawValue : 128 + number)
                    return nil
                }
                return nil
            }
            defer { group.cancelAll() }
            while let code = await group.next() {
                if let code { return code }
            }
            return ExitCode.otherFailure.rawValue
        }
    }

    private func execute(_ surface: Surface, _ inFlight: InFlight) async -> ExitCode {
        let table = CommandTable.berth
        let line: ParsedCommandLine
        let settings: Settings
        do {
            line = try CommandLineParser(table: table).parse(arguments)
            settings = try Settings(line, environment: environment, surface: surface)
        } catch {
            return await report(error, .table, Console(surface: surface, isQuiet: false))
        }
        let console = Console(surface: surface, isQuiet: settings.isQuiet)
        do {
            switch line.request {
            case .help(let path):
                try await console.write(HelpText(table: table).text(of: path))
                return .done
            case .run(let command):
                let invocation = Invocation(
                    table: table, line: line, settings: settings, console: console,
                    input: Input(descriptor: surface.input), inFlight: inFlight)
                return try await command.run(invocation)
            }
        } catch {
            return await report(error, settings.format, console)
        }
    }

    /// Says what went wrong, once, for people or for programs.
    private func report(
        _ error: any Error, _ format: OutputFormat, _ console: Console
    ) async -> ExitCode {
        let failure =
            error as? CommandFailure
            ?? CommandFailure(.otherFailure, code: "failure", HarmlessText.text("\(error)"))
        if failure.exitCode == .brokenPipe { return failure.exitCode }
        // The document's own encoding cannot fail; without it the words below still come.
        if isDocumentWanted(format), let document = try? Document.error(failure) {
            await console.complain(String(document.dropLast()))
            return failure.exitCode
        }
        let label = Color.red.paint("error:", console.surface.isErrorsColored)
        await console.complain("\(label) \(HarmlessText.text(failure.message))")
        for candidate in failure.candidates.prefix(20) {
            await console.complain("  \(HarmlessText.text(candidate))")
        }
        if let hint = failure.hint { await console.complain(HarmlessText.text(hint)) }
        return failure.exitCode
    }

    /// Also for a command line that could not be read, when it asks for documents.
    private func isDocumentWanted(_ format: OutputFormat) -> Bool {
        if format.isDocument { return true }
        let words = arguments.prefix { $0.text != "--" }.compactMap(\.text)
        let asked = ["--json", "-ojson", "-ojsonl", "--output=json", "--output=jsonl"]
        if words.contains(where: asked.contains) { return true }
        return zip(words, words.dropFirst()).contains {
            ["-o", "--output"].contains($0) && ["json", "jsonl"].contains($1)
        }
    }

    private func surface() -> Surface {
        let isOutputTerminal = Terminal.isTerminal(1)
        let isErrorsTerminal = Terminal.isTerminal(2)
        let asked = environment["COLUMNS"].flatMap { Int($0) }.flatMap { $0 >= 20 ? $0 : nil }
        let columns = asked ?? Terminal.columns(1) ?? Terminal.columns(2) ?? 80
        let isPlain =
            !(environment["NO_COLOR"] ?? "").isEmpty
            || !(environment["BERTH_NO_COLOR"] ?? "").isEmpty
            || environment["TERM"] == "dumb" || arguments.contains(Argument("--no-color"))
        return Surface(
            isInputTerminal: Terminal.isTerminal(0), isOutputTerminal: isOutputTerminal,
            isErrorsTerminal: isErrorsTerminal, columns: columns,
            isOutputColored: isOutputTerminal && !isPlain,
            isErrorsColored: isErrorsTerminal && !isPlain)
    }
}
