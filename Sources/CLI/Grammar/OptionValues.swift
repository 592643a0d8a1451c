import Shared

/// The options of a command line, read as what they mean.
struct OptionValues: Sendable {
    private let values: [String: [Argument]]

    init(_ values: [String: [Argument]]) {
        self.values = values
    }

    func has(_ name: String) -> Bool { values[name] != nil }

    /// The option's value as text, nil where it was not given.
    func text(_ name: String) throws(CommandFailure) -> String? {
        guard let word = values[name]?.last else { return nil }
        guard let text = word.text else {
            throw .usage("the value of --\(name) is not UTF-8: \(word.shown)")
        }
        return text
    }

    /// The values of a repeatable option.
    func words(_ name: String) -> [Argument] { values[name] ?? [] }

    /// A whole number within bounds.
    func number(_ name: String, _ bounds: ClosedRange<Int>) throws(CommandFailure) -> Int? {
        guard let text = try text(name) else { return nil }
        guard let number = Int(text), bounds.contains(number) else {
            throw .usage(
                "--\(name) cannot be \"\(HarmlessText.text(text))\"",
                hint: "it is a number from \(bounds.lowerBound) to \(bounds.upperBound)")
        }
        return number
    }

    /// A span of time such as `90s`.
    func span(_ name: String) throws(CommandFailure) -> Duration? {
        guard let text = try text(name) else { return nil }
        guard let span = TimeSpan.read(text), span > .zero else {
            throw .usage(
                "--\(name) cannot be \"\(HarmlessText.text(text))\"",
                hint: "it is a time such as 500ms, 90s, 10m, 2h or 7d")
        }
        return span
    }

    /// A path inside a project, in raw bytes.
    func path(_ name: String) throws(CommandFailure) -> ProjectPath? {
        guard let word = values[name]?.last else { return nil }
        return try ProjectPath(argument: word)
    }

    /// One of an enumeration's words; the table has checked that it is one.
    func choice<Choice: RawRepresentable>(
        _ name: String, default other: Choice
    ) throws(CommandFailure) -> Choice where Choice.RawValue == String {
        try text(name).flatMap { Choice(rawValue: $0) } ?? other
    }
}

extension ProjectPath {
    /// Reads a path from the command line.
    init(argument: Argument) throws(CommandFailure) {
        do {
            try self.init(bytes: argument.bytes)
        } catch {
            throw CommandFailure.usage(
                HarmlessText.text(error.description),
                hint: "a path is relative to the project, such as src/data")
        }
    }
}
