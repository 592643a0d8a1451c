/// The help, made from the table.
struct HelpText: Sendable {
    let table: CommandTable

    /// The help of a command, a noun, or of everything.
    func text(of path: [String]) -> String {
        if let command = table.command(path) { return help(of: command) }
        guard let noun = path.first else { return overview() }
        var text = "berth \(noun): " + table.verbs(of: noun).joined(separator: ", ") + "\n\n"
        text += list(table.commands.filter { $0.path.first == noun })
        return text + "\nMore: berth help \(noun) VERB\n"
    }

    private func overview() -> String {
        var text = """
            berth: runs projects on a fleet of hosts, with backups that can start them anywhere.

            Usage: berth NOUN VERB [WORDS] [flags]

            Commands:

            """
        text += list(table.commands)
        text += "\nFlags of every command:\n" + list(table.globalOptions)
        text += "\nA project, host, operation, backup or copy is named by its name, its id, or any"
        text += "\nbeginning or end of its id that is unique and has 4 characters or more.\n"
        text += "\nExit codes:\n" + exitCodes()
        return text + "\nMore: berth help NOUN VERB\n"
    }

    private func help(of command: CommandDescription) -> String {
        var text = "\(command.summary)\n\n"
        text += "Examples:\n" + command.examples.map { "  \($0)\n" }.joined()
        text += "\nUsage: \(command.usage)\n"
        if !command.aliases.isEmpty {
            text += "Also: \(command.aliases.joined(separator: ", "))\n"
        }
        if !command.details.isEmpty { text += "\n\(command.details)\n" }
        if !command.options.isEmpty { text += "\nFlags:\n" + list(command.options) }
        let own = Set(command.options.map(\.name))
        text += "\nFlags of every command:\n"
        return text + list(table.globalOptions.filter { !own.contains($0.name) })
    }

    private func list(_ commands: [CommandDescription]) -> String {
        let names = commands.map { ([$0.name] + $0.operands.map(\.usage)).joined(separator: " ") }
        return columns(zip(names, commands.map(\.summary)).map { ("  " + $0.0, $0.1) })
    }

    private func list(_ options: [OptionDescription]) -> String {
        columns(options.map { ("  " + $0.usage, $0.help) })
    }

    private func exitCodes() -> String {
        columns(ExitCode.meanings.map { ("  \($0.code.rawValue)", $0.meaning) })
    }

    /// Two columns; a left part above 34 characters has its line to itself.
    private func columns(_ rows: [(String, String)]) -> String {
        let width = min(34, rows.map(\.0.count).max() ?? 0)
        return rows.map { left, right in
            if left.count > width {
                return left + "\n" + String(repeating: " ", count: width + 2) + right + "\n"
            }
            return left + String(repeating: " ", count: width + 2 - left.count) + right + "\n"
        }.joined()
    }
}
