/// A command: all that parsing, help, completion and running it need.
struct CommandDescription: Sendable {
    /// A word that the command takes by its place.
    struct Operand: Sendable {
        /// In capitals, as the help shows it.
        let name: String
        let isRequired: Bool
        /// Whether it takes all words that are left.
        let isRepeated: Bool

        static func one(_ name: String) -> Operand {
            Operand(name: name, isRequired: true, isRepeated: false)
        }

        static func optional(_ name: String) -> Operand {
            Operand(name: name, isRequired: false, isRepeated: false)
        }

        static func many(_ name: String) -> Operand {
            Operand(name: name, isRequired: true, isRepeated: true)
        }

        var usage: String {
            let shown = isRepeated ? "\(name)…" : name
            return isRequired ? shown : "[\(shown)]"
        }
    }

    /// The noun and the verb, or one word.
    let path: [String]
    /// Other words for the verb.
    let aliases: [String]
    let operands: [Operand]
    let options: [OptionDescription]
    /// One line.
    let summary: String
    /// What else somebody who uses it must know; may be empty.
    let details: String
    let examples: [String]
    /// Whether the words after `--` are a command for somewhere else.
    let takesCommand: Bool
    let run: @Sendable (Invocation) async throws -> ExitCode

    init(
        _ path: String, aliases: [String] = [], _ operands: [Operand] = [],
        options: [OptionDescription] = [], summary: String, details: String = "",
        examples: [String], takesCommand: Bool = false,
        run: @escaping @Sendable (Invocation) async throws -> ExitCode
    ) {
        self.path = path.split(separator: " ").map(String.init)
        self.aliases = aliases
        self.operands = operands
        self.options = options
        self.summary = summary
        self.details = details
        self.examples = examples
        self.takesCommand = takesCommand
        self.run = run
    }

    /// `project move`.
    var name: String { path.joined(separator: " ") }

    /// `berth project move PROJECT [flags]`.
    var usage: String {
        let words = ["berth", name] + operands.map(\.usage)
        return words.joined(separator: " ") + " [flags]" + (takesCommand ? " -- COMMAND…" : "")
    }
}
