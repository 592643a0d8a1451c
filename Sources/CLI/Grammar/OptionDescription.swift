/// An option of a command, or of all commands.
struct OptionDescription: Sendable {
    /// What follows the option's name.
    enum Value: Sendable {
        /// Nothing: the option is set or not.
        case none
        /// A value, called so in the help.
        case text(String)
        /// One of these words.
        case choice([String])
    }

    /// The long name without dashes, such as `token-file`.
    let name: String
    /// The one-letter name, where there is one.
    let letter: Character?
    let value: Value
    /// Whether it may be given several times.
    let isRepeatable: Bool
    let help: String

    init(
        _ name: String, letter: Character? = nil, _ value: Value,
        isRepeatable: Bool = false, _ help: String
    ) {
        self.name = name
        self.letter = letter
        self.value = value
        self.isRepeatable = isRepeatable
        self.help = help
    }

    /// An option without a value.
    init(_ name: String, letter: Character? = nil, _ help: String) {
        self.init(name, letter: letter, .none, help)
    }

    var takesValue: Bool {
        switch value {
        case .none: false
        case .text, .choice: true
        }
    }

    /// `-o, --output table|json` as the help shows it.
    var usage: String {
        let short = letter.map { "-\($0), " } ?? "    "
        switch value {
        case .none: return "\(short)--\(name)"
        case .text(let placeholder): return "\(short)--\(name) \(placeholder)"
        case .choice(let words): return "\(short)--\(name) \(words.joined(separator: "|"))"
        }
    }
}
