import Platform

/// What the command line asks for.
enum CommandLineArguments: Sendable, Equatable {
    case help
    case version
    case join(JoinOptions)
    case run(data: String)
    case check(data: String)
    case unmount(data: String)
    case leave(data: String)

    static let usage = """
        usage: berth-agent <command> --data DIR …

          join     makes this machine a host: --token TOKEN or --token-file FILE, and
                   --loop-image PATH --size 20G   makes and mounts a btrfs file system in a file
                   --btrfs MOUNTPOINT             uses one that is mounted
          run      does the hub's work until it is stopped; the projects' processes go on
          check    says whether everything that it needs is there
          unmount  ends the projects' processes, unmounts the agent's own loop image
          leave    unmount, and forgets the host's identity; volumes and backups stay
          version  prints the version

        DIR holds the configuration agent.toml, the identity, the ledger and the logs.
        """

    /// Reads the arguments.
    ///
    /// - Throws: `AgentError` with code `usage`.
    static func parse(_ arguments: [String]) throws -> CommandLineArguments {
        guard let command = arguments.first else { throw wrong("a command is missing") }
        if ["help", "--help", "-h"].contains(command) { return .help }
        if ["version", "--version"].contains(command) { return .version }
        let known = ["join", "run", "check", "unmount", "leave"]
        guard known.contains(command) else {
            let nearest = known.min { editDistance($0, command) < editDistance($1, command) }
            throw wrong("there is no command \(command); did you mean \(nearest ?? "run")?")
        }
        var options = try options(Array(arguments.dropFirst()), of: command)
        guard let data = options.removeValue(forKey: "--data") else {
            throw wrong("\(command) needs --data DIR")
        }
        if command == "join" { return .join(try JoinOptions(data: data, options)) }
        switch command {
        case "run": return .run(data: data)
        case "check": return .check(data: data)
        case "unmount": return .unmount(data: data)
        default: return .leave(data: data)
        }
    }

    private static func options(
        _ arguments: [String], of command: String
    ) throws -> [String: String] {
        let own =
            command == "join"
            ? ["--data", "--token", "--token-file", "--loop-image", "--size", "--btrfs"]
            : ["--data"]
        var found: [String: String] = [:]
        var rest = arguments[...]
        while let name = rest.popFirst() {
            var parts = name.split(separator: "=", maxSplits: 1).map(String.init)
            let option = parts.removeFirst()
            guard own.contains(option) else { throw wrong("\(command) has no option \(option)") }
            guard let value = parts.first ?? rest.popFirst(), !value.isEmpty else {
                throw wrong("\(option) needs a value")
            }
            guard found.updateValue(value, forKey: option) == nil else {
                throw wrong("\(option) is given twice")
            }
        }
        return found
    }

    static func wrong(_ message: String) -> AgentError {
        AgentError(.usage, "\(message); see berth-agent help")
    }
}

/// What `berth-agent join` is given.
struct JoinOptions: Sendable, Equatable {
    /// Where the token comes from.
    enum Token: Sendable, Equatable {
        case text(String)
        case file(String)
    }

    let data: String
    let token: Token
    let storage: AgentConfiguration.Storage

    init(data: String, _ options: [String: String]) throws {
        self.data = data
        switch (options["--token"], options["--token-file"]) {
        case (let token?, nil): self.token = .text(token)
        case (nil, let file?): self.token = .file(file)
        default: throw CommandLineArguments.wrong("join needs --token or --token-file")
        }
        switch (options["--loop-image"], options["--size"], options["--btrfs"]) {
        case (let image?, let size?, nil):
            guard image.hasPrefix("/"), let size = ByteSize(size) else {
                throw CommandLineArguments.wrong(
                    "--loop-image needs an absolute path, and --size a size such as 20G")
            }
            storage = .loopImage(path: image, bytes: size.bytes)
        case (nil, nil, let mount?):
            guard mount.hasPrefix("/") else {
                throw CommandLineArguments.wrong("--btrfs needs an absolute path")
            }
            storage = .mount(path: mount)
        default:
            throw CommandLineArguments.wrong(
                "join needs either --loop-image PATH --size SIZE or --btrfs MOUNTPOINT")
        }
    }
}
