import Shared

/// `project import` and `exec`.
enum ProjectWork {
    static let all = [importTree, execute]

    private static let importTree = CommandDescription(
        "project import", [.one("PROJECT"), .one("DIRECTORY")],
        options: [
            OptionDescription("to", .text("PATH"), "where in the project; default its root"),
            OptionDescription(
                "faithful", "keep owners, setuid bits, capabilities and devices as they are"),
        ],
        summary: "Fill a project from a directory of its host",
        details: "DIRECTORY is an absolute path on the host where the project is.",
        examples: [
            "berth project import notes /srv/notes",
            "berth project import web /usr/share --to share",
        ]
    ) { invocation in
        let project = try invocation.word(0)
        let directory = try invocation.word(1)
        guard directory.hasPrefix("/") else {
            throw CommandFailure.usage(
                "\"\(HarmlessText.text(directory))\" is not an absolute path",
                hint: "it is a directory of the project's host, such as /srv/data")
        }
        let request = ImportRequest(
            directory: directory, destination: try invocation.options.path("to") ?? .root,
            isFaithful: invocation.options.has("faithful"))
        return try await invocation.perform(
            "POST", ["projects", project, "import"], body: request
        ) { operation in
            .took("imported \(HarmlessText.text(directory))", operation)
        }
    }

    private static let execute = CommandDescription(
        "project exec", aliases: ["execute"], [.one("PROJECT")],
        options: [
            OptionDescription("root", "as root rather than as the project's user"),
            OptionDescription(
                "timeout", .text("TIME"), "kill the command after so long; default 10m, at most 1d"),
        ],
        summary: "Run a command in a project's volume",
        details: """
            What follows -- is the command. Its output goes to standard output, and its exit code,
            where that is at most 125, is berth's; above 125 (ended by a signal) berth's is 126.
            """,
        examples: ["berth project exec notes -- ls -la", "berth project exec notes --root -- id"],
        takesCommand: true
    ) { invocation in
        let project = try invocation.word(0)
        let command = try invocation.command()
        guard !command.isEmpty else {
            throw CommandFailure.usage(
                "berth project exec needs a command",
                hint: "berth project exec \(HarmlessText.text(project)) -- COMMAND")
        }
        let limit = try invocation.options.span("timeout").map(TimeSpan.seconds)
        if let limit, limit > 86_400 {
            throw CommandFailure.usage("--timeout is at most 1d", hint: "berth help project exec")
        }
        let request = ExecuteRequest(
            command: command, asRoot: invocation.options.has("root"),
            timeoutSeconds: limit)
        let operation = try await invocation.change(
            "POST", ["projects", project, "execute"], body: request, as: OperationDescription.self)
        if invocation.settings.isDetached {
            return try await invocation.follow(operation) { _ in Ending("") }
        }
        return try await finish(operation, invocation)
    }

    private static func finish(
        _ operation: OperationDescription, _ invocation: Invocation
    ) async throws -> ExitCode {
        let end = try await OperationWaiter(invocation: invocation).wait(
            for: operation, timeout: nil)
        if let failure = Ending.failure(of: end) { throw failure }
        guard let document = end.result else {
            throw CommandFailure(
                .otherFailure, code: "no-result", "the hub has no result of \(end.id)",
                hint: "berth operation show \(end.id)", operation: end.id)
        }
        let result = try JSON.decode(VolumeExecuteResult.self, from: document)
        switch invocation.settings.format {
        case .table: try await invocation.console.write(result.output)
        case .json, .jsonl, .id:
            try await invocation.publisher.one(
                end, schema: "operation/1", id: end.id.description, text: "")
        }
        if result.isTruncated {
            await invocation.console.complain("the output was cut at 64 KiB")
        }
        if result.exitCode > 125 {
            await invocation.console.complain("the command ended with \(result.exitCode)")
        }
        return .command(result.exitCode)
    }
}
