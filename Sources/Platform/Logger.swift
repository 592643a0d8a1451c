/// How much a log entry matters.
public enum LogLevel: String, Sendable, Comparable, CaseIterable {
    /// For somebody who looks for a fault.
    case debug
    /// A change of state.
    case info
    /// Something went wrong and healed itself.
    case warning
    /// A human must look.
    case error

    private var rank: Int {
        switch self {
        case .debug: 0
        case .info: 1
        case .warning: 2
        case .error: 3
        }
    }

    /// Less means that it matters less.
    public static func < (one: LogLevel, other: LogLevel) -> Bool { one.rank < other.rank }
}

/// Writes entries of a constant sentence and metadata; a value, so that a part of the program
/// carries its own copy with what it always says.
public struct Logger: Sendable {
    private let output: LogOutput
    private let level: LogLevel
    private let metadata: [String: LogValue]

    /// - Parameters:
    ///   - output: where entries go; one per process.
    ///   - level: what is less than this is not written, default `info`.
    ///   - metadata: what every entry carries.
    public init(output: LogOutput, level: LogLevel = .info, metadata: [String: LogValue] = [:]) {
        self.output = output
        self.level = level
        self.metadata = metadata
    }

    /// The same logger with more metadata; a key that is there already gets the new value.
    public func with(_ more: [String: LogValue]) -> Logger {
        Logger(output: output, level: level, metadata: metadata.merging(more) { $1 })
    }

    /// Writes one entry.
    ///
    /// - Parameters:
    ///   - level: how much it matters.
    ///   - message: a constant sentence; what varies belongs into the metadata.
    ///   - more: this entry's own metadata.
    public func log(
        _ level: LogLevel, _ message: StaticString, _ more: @autoclosure () -> [String: LogValue]
    ) {
        guard level >= self.level else { return }
        output.write(
            LogEntry(
                time: .now(), level: level, message: "\(message)",
                metadata: metadata.merging(more()) { $1 }))
    }

    /// Writes what a human must look at.
    public func error(
        _ message: StaticString, _ more: @autoclosure () -> [String: LogValue] = [:]
    ) {
        log(.error, message, more())
    }

    /// Writes what went wrong and healed itself.
    public func warning(
        _ message: StaticString, _ more: @autoclosure () -> [String: LogValue] = [:]
    ) {
        log(.warning, message, more())
    }

    /// Writes a change of state.
    public func info(
        _ message: StaticString, _ more: @autoclosure () -> [String: LogValue] = [:]
    ) {
        log(.info, message, more())
    }

    /// Writes what helps to look for a fault.
    public func debug(
        _ message: StaticString, _ more: @autoclosure () -> [String: LogValue] = [:]
    ) {
        log(.debug, message, more())
    }
}
