/// A span of time as the command line takes it.
enum TimeSpan {
    /// Reads `45` (seconds), `90s`, `500ms`, `10m`, `2h` or `7d`; nil when it is anything else,
    /// negative, or more than ten years.
    static func read(_ text: String) -> Duration? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let number = Int64(digits), number <= 315_360_000 else { return nil }
        let span: Duration
        switch text.dropFirst(digits.count) {
        case "ms": span = .milliseconds(number)
        case "", "s": span = .seconds(number)
        case "m": span = .seconds(number * 60)
        case "h": span = .seconds(number * 3600)
        case "d": span = .seconds(number * 86_400)
        default: return nil
        }
        return span <= .seconds(315_360_000) ? span : nil
    }

    /// Whole seconds, rounded up.
    static func seconds(_ span: Duration) -> Int {
        Int(span.components.seconds) + (span.components.attoseconds > 0 ? 1 : 0)
    }
}
