import Shared

/// `project start`, `stop`, `move` and `delete`.
enum ProjectLife {
    static let all = [start, stop, move, delete]

    private static let start = CommandDescription(
        "project start", [.one("PROJECT")],
        summary: "Start a project's process, restoring its files first where they are missing",
        examples: ["berth project start notes"]
    ) { invocation in
        try await simple("start", "started", invocation)
    }

    private static let stop = CommandDescription(
        "project stop", [.one("PROJECT")], summary: "Stop a project's process; its files stay",
        examples: ["berth project stop notes"]
    ) { invocation in
        try await simple("stop", "stopped", invocation)
    }

    private static func simple(
        _ verb: String, _ done: String, _ invocation: Invocation
    ) async throws -> ExitCode {
        let project = try invocation.word(0)
        return try await invocation.perform("POST", ["projects", project, verb]) { operation in
            .took("\(done) \"\(HarmlessText.text(operation.scopeName ?? project))\"", operation)
        }
    }

    private static let move = CommandDescription(
        "project move", [.one("PROJECT")],
        options: [
            OptionDescription("to", .text("HOST"), "where it goes"),
            OptionDescription(
                "accept-loss", .text("NAME"),
                "where its host cannot be reached: go on from the last backup and lose what is "
                    + "newer; the project's name"),
        ],
        summary: "Move a project to another host",
        details: """
            The project is stopped, backed up, restored on the other host and started again if it
            ran. A running project is only stopped after a yes, or with --yes.
            """,
        examples: [
            "berth project move notes --to h2", "berth project move notes --to h2 --yes --detach",
        ]
    ) { invocation in
        guard let host = try invocation.options.text("to") else {
            throw CommandFailure.usage(
                "berth project move needs --to HOST", hint: "berth help project move")
        }
        let project = try await invocation.project(0)
        let name = HarmlessText.text(project.name)
        let target = HarmlessText.text(host)
        let from = project.hostName.map { " from \(HarmlessText.text($0))" } ?? ""
        let runs = project.runtimeState == .running
        let steps = (runs ? ["stop"] : []) + ["back up", "restore"] + (runs ? ["start"] : [])
        await invocation.console.say(
            "Plan: move \"\(name)\"\(from) to \(target): \(steps.joined(separator: ", ")); "
                + "exposure \(ProjectText.exposure(project))")
        if runs {
            try await Confirmation(invocation: invocation).agree(
                to: "\"\(name)\" is running and will be stopped for the move. Move it?")
        }
        let request = MoveRequest(
            host: host, acceptLoss: try invocation.options.text("accept-loss"))
        return try await invocation.perform(
            "POST", ["projects", project.id.description, "move"], body: request
        ) { operation in
            .took("moved \"\(name)\"\(from) to \(target)", operation)
        }
    }

    private static let delete = CommandDescription(
        "project delete", aliases: ["rm"], [.one("PROJECT")],
        summary: "Delete a project",
        details: "Its name must be typed, or given with --confirm; --yes is not enough.",
        examples: ["berth project delete notes", "berth project delete notes --confirm notes"]
    ) { invocation in
        let project = try await invocation.project(0)
        let name = HarmlessText.text(project.name)
        await invocation.console.say(
            "Plan: delete \"\(name)\"; last backup "
                + "\(Quantity.age(project.lastBackup, at: invocation.now())) ago, exposure "
                + ProjectText.exposure(project))
        let confirmed = try await Confirmation(invocation: invocation).name(
            project.name, of: "the project")
        return try await invocation.perform(
            "DELETE", ["projects", project.id.description],
            body: DeleteProjectRequest(confirm: confirmed)
        ) { operation in
            .took("deleted \"\(name)\"", operation)
        }
    }
}
