import Shared

/// What the flags of every command and the environment ask for.
struct Settings: Sendable {
    let format: OutputFormat
    let hasHeader: Bool
    /// How many items of a list are wanted.
    let limit: Int
    let cursor: String?
    let isDetached: Bool
    /// How long to wait for an operation; nil for ever.
    let timeout: Duration?
    let isYes: Bool
    let confirmation: String?
    /// Whether questions can be asked.
    let canAsk: Bool
    let progress: ProgressStyle
    let isQuiet: Bool
    let isVerbose: Bool
    let hub: String?
    let contextPath: String

    init(
        _ line: ParsedCommandLine, environment: [String: String], surface: Surface
    ) throws(CommandFailure) {
        let options = OptionValues(line.options)
        let output = try options.text("output").flatMap { OutputFormat(rawValue: $0) }
        format = output ?? (options.has("json") ? .json : .table)
        hasHeader = !options.has("no-header")
        limit = try options.number("limit", 1...1_000_000) ?? 200
        cursor = try options.text("cursor")
        isDetached = options.has("detach")
        timeout = try options.span("timeout")
        isYes = options.has("yes")
        confirmation = try options.text("confirm")
        canAsk = surface.isInputTerminal && surface.isErrorsTerminal && !options.has("no-input")
        isQuiet = options.has("quiet")
        isVerbose = options.has("verbose")
        hub = try options.text("hub") ?? environment["BERTH_HUB"]
        let wanted = try options.text("progress") ?? environment["BERTH_PROGRESS"]
        let style = wanted.flatMap { ProgressStyle(rawValue: $0) } ?? .auto
        let automatic: ProgressStyle = surface.isErrorsTerminal ? .tty : .plain
        progress = isQuiet ? .none : style == .auto ? automatic : style
        contextPath = try options.text("config") ?? Context.path(environment)
    }
}
