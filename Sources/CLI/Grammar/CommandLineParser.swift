/// Reads a command line by the command table; knows nothing else.
struct CommandLineParser: Sendable {
    let table: CommandTable

    /// - Throws: `CommandFailure` with `usage`, which names the word and what was perhaps meant.
    func parse(_ arguments: [Argument]) throws(CommandFailure) -> ParsedCommandLine {
        var rest = arguments[...]
        var line = ParsedCommandLine(request: .help([]))
        var path: [String] = []
        var command: CommandDescription?
        while command == nil, let word = rest.first {
            if word.bytes.first == 0x2D, word.bytes.count > 1 {
                try readOption(&rest, of: nil, into: &line)
                continue
            }
            rest = rest.dropFirst()
            path.append(try resolve(word, after: path))
            command = table.command(path)
        }
        guard let command else { return try withoutCommand(path, line) }
        if command.name == "help" { return try help(rest, line) }
        line.request = .run(command)
        try readWords(&rest, of: command, into: &line)
        if line.has("help") { return ParsedCommandLine(request: .help(command.path)) }
        try checkOperands(of: command, line)
        return line
    }

    private func withoutCommand(
        _ path: [String], _ line: ParsedCommandLine
    ) throws(CommandFailure) -> ParsedCommandLine {
        if line.has("help") || path.isEmpty {
            return ParsedCommandLine(request: .help(path), options: line.options)
        }
        let verbs = table.verbs(of: path[0]).joined(separator: ", ")
        throw .usage(
            "berth \(path[0]) needs a verb: \(verbs)", hint: "berth help \(path[0])")
    }

    private func help(
        _ rest: ArraySlice<Argument>, _ line: ParsedCommandLine
    ) throws(CommandFailure) -> ParsedCommandLine {
        var path: [String] = []
        for word in rest where word.bytes.first != 0x2D {
            path.append(try resolve(word, after: path))
        }
        return ParsedCommandLine(request: .help(path), options: line.options)
    }

    /// The table's own word for a noun or verb, or an alias of one.
    private func resolve(
        _ word: Argument, after path: [String]
    ) throws(CommandFailure) -> String {
        if let known = word.text.flatMap({ table.canonical($0, after: path) }) { return known }
        let context = (["berth"] + path).joined(separator: " ")
        let words = table.words(after: path)
        let near = word.text.flatMap { Suggestion.nearest(to: $0, among: words) }
        let hint =
            near.map { "did you mean \"\(context) \($0)\"?" }
            ?? "berth help\(path.isEmpty ? "" : " " + path.joined(separator: " "))"
        throw .usage("\"\(word.shown)\" is not a command of \(context)", hint: hint)
    }

    private func readWords(
        _ rest: inout ArraySlice<Argument>, of command: CommandDescription,
        into line: inout ParsedCommandLine
    ) throws(CommandFailure) {
        while let word = rest.first {
            if word.text == "--" {
                if command.takesCommand {
                    line.command = Array(rest.dropFirst())
                } else {
                    line.operands += rest.dropFirst()
                }
                return
            }
            if word.bytes.first == 0x2D, word.bytes.count > 1 {
                try readOption(&rest, of: command, into: &line)
            } else {
                rest = rest.dropFirst()
                line.operands.append(word)
            }
        }
    }

    private func readOption(
        _ rest: inout ArraySlice<Argument>, of command: CommandDescription?,
        into line: inout ParsedCommandLine
    ) throws(CommandFailure) {
        guard let word = rest.popFirst() else { return }
        let (option, attached) = try find(word, of: command)
        guard option.takesValue else {
            if attached != nil {
                throw .usage("--\(option.name) takes no value", hint: helpHint(command))
            }
            line.options[option.name, default: []].append(Argument(""))
            return
        }
        guard let value = attached ?? rest.popFirst() else {
            throw .usage("\(option.usage.trimmed) needs a value", hint: helpHint(command))
        }
        if case .choice(let words) = option.value, !words.contains(value.text ?? "") {
            throw .usage(
                "--\(option.name) cannot be \"\(value.shown)\"",
                hint: "it is one of \(words.joined(separator: ", "))")
        }
        if !option.isRepeatable, line.options[option.name] != nil {
            throw .usage("--\(option.name) is given twice", hint: helpHint(command))
        }
        line.options[option.name, default: []].append(value)
    }

    /// The option that a word names, and the value that is part of the word (`--name=value`,
    /// `-ovalue`).
    private func find(
        _ word: Argument, of command: CommandDescription?
    ) throws(CommandFailure) -> (OptionDescription, Argument?) {
        let options = (command?.options ?? []) + table.globalOptions
        let isLong = word.bytes.starts(with: [0x2D, 0x2D])
        let body = word.bytes.dropFirst(isLong ? 2 : 1)
        if isLong {
            let name = String(decoding: body.prefix { $0 != 0x3D }, as: UTF8.self)
            if let option = options.first(where: { $0.name == name }) {
                let value = body.firstIndex(of: 0x3D).map {
                    Argument(bytes: [UInt8](body[($0 + 1)...]))
                }
                return (option, value)
            }
            let near = Suggestion.nearest(to: name, among: options.map(\.name))
            throw .usage(
                "unknown flag \(word.shown)",
                hint: near.map { "did you mean --\($0)?" } ?? helpHint(command))
        }
        let letter = body.first.map { Character(UnicodeScalar($0)) }
        guard let option = options.first(where: { $0.letter != nil && $0.letter == letter }) else {
            throw .usage("unknown flag \(word.shown)", hint: helpHint(command))
        }
        let attached = body.dropFirst()
        return (option, attached.isEmpty ? nil : Argument(bytes: Array(attached)))
    }

    private func checkOperands(
        of command: CommandDescription, _ line: ParsedCommandLine
    ) throws(CommandFailure) {
        let required = command.operands.filter(\.isRequired)
        if line.operands.count < required.count {
            let missing = required[line.operands.count].name
            throw .usage(
                "berth \(command.name) needs \(missing)", hint: "usage: \(command.usage)")
        }
        let takesMore = command.operands.contains(where: \.isRepeated)
        if !takesMore, line.operands.count > command.operands.count {
            let extra = line.operands[command.operands.count].shown
            throw .usage(
                "berth \(command.name) has no use for \"\(extra)\"",
                hint: "usage: \(command.usage)")
        }
    }

    private func helpHint(_ command: CommandDescription?) -> String {
        "berth help\(command.map { " " + $0.name } ?? "")"
    }
}

extension String {
    /// Without blanks at the front.
    fileprivate var trimmed: String { String(drop { $0 == " " }) }
}
