/// All commands: the one source of parsing, help, suggestions and completion.
struct CommandTable: Sendable {
    let commands: [CommandDescription]
    let globalOptions: [OptionDescription]

    /// Other words for a noun, plurals included.
    private static let nounAliases = [
        "hosts": "host", "projects": "project", "backups": "backup", "copies": "copy",
        "operations": "operation", "op": "operation", "ops": "operation", "buckets": "bucket",
        "batches": "batch", "schedules": "schedule", "limits": "limit",
    ]

    /// The table of `berth`.
    static let berth = CommandTable(
        commands: HubCommands.all + HostCommands.all + DrainCommands.all
            + BatchCommands.all + ScheduleCommands.all + ProjectCommands.all
            + ProjectLife.all
            + ProjectWork.all + BackupCommands.all + MaintenanceCommands.all + CopyCommands.all
            + OperationCommands.all + LimitCommands.all + EventCommands.all
            + BucketCommands.all + LocalCommands.all,
        globalOptions: [
            OptionDescription(
                "output", letter: "o", .choice(OutputFormat.allCases.map(\.rawValue)),
                "what is written: a table for people (not stable), or documents (stable)"),
            OptionDescription("json", "the same as -o json"),
            OptionDescription("no-header", "tables without their first line"),
            OptionDescription("limit", .text("N"), "at most so many items of a list; default 200"),
            OptionDescription("cursor", .text("CURSOR"), "go on where a list document ended"),
            OptionDescription("detach", "do not wait; print the operation's id"),
            OptionDescription(
                "timeout", .text("TIME"),
                "wait at most so long, such as 90s or 2h; the operation goes on"),
            OptionDescription("yes", letter: "y", "go ahead without asking"),
            OptionDescription("confirm", .text("NAME"), "confirm by name what cannot be undone"),
            OptionDescription("no-input", "never ask; a needed answer is an error"),
            OptionDescription(
                "progress", .choice(ProgressStyle.allCases.map(\.rawValue)),
                "how progress is shown on standard error; default auto"),
            OptionDescription("no-color", "without colours; so does NO_COLOR"),
            OptionDescription("quiet", letter: "q", "no messages on standard error, only errors"),
            OptionDescription("verbose", letter: "v", "show each request to the hub"),
            OptionDescription("hub", .text("URL"), "another hub than the one logged in to"),
            OptionDescription(
                "config", .text("FILE"),
                "where the login is kept; default BERTH_CONFIG, then ~/.config/berth/config.json"),
            OptionDescription("help", letter: "h", "the help of the command"),
        ])

    /// The nouns and the one-word commands, in the table's order.
    var nouns: [String] {
        var seen: [String] = []
        for command in commands where !seen.contains(command.path[0]) {
            seen.append(command.path[0])
        }
        return seen
    }

    /// The verbs of a noun; empty for a one-word command.
    func verbs(of noun: String) -> [String] {
        commands.filter { $0.path.count == 2 && $0.path[0] == noun }.map { $0.path[1] }
    }

    /// The words that may follow.
    func words(after path: [String]) -> [String] {
        switch path.count {
        case 0: nouns
        case 1: verbs(of: path[0])
        default: []
        }
    }

    /// The table's own word for `word`, an alias included; nil for an unknown one.
    func canonical(_ word: String, after path: [String]) -> String? {
        if words(after: path).contains(word) { return word }
        if path.isEmpty { return Self.nounAliases[word] }
        return commands.first { $0.path.first == path[0] && $0.aliases.contains(word) }?.path.last
    }

    /// The command of exactly this path.
    func command(_ path: [String]) -> CommandDescription? {
        commands.first { $0.path == path }
    }
}
