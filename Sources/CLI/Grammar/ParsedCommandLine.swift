/// A command line that fits the table.
struct ParsedCommandLine: Sendable {
    /// What is to be done.
    enum Request: Sendable {
        case run(CommandDescription)
        /// The help of what these words name, from `-h` or a noun without a verb.
        case help([String])
    }

    var request: Request
    /// The values of the operands, in order.
    var operands: [Argument] = []
    /// The words after `--`, for commands that take a command.
    var command: [Argument] = []
    /// The values of each option that was given; one empty word for each time that an option
    /// without a value was given.
    var options: [String: [Argument]] = [:]

    func has(_ option: String) -> Bool { options[option] != nil }
}
