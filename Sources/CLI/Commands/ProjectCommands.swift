import Shared

/// `project create`, `list` and `show`.
enum ProjectCommands {
    static let all = [create, list, show]

    private static let create = CommandDescription(
        "project create", aliases: ["new"], [.one("NAME")],
        options: [
            OptionDescription("host", .text("HOST"), "where it goes; default the most free host"),
            OptionDescription("owner", .text("OWNER"), "whom it belongs to; default you"),
            OptionDescription(
                "environment", letter: "e", .text("NAME=VALUE"), isRepeatable: true,
                "a variable of its process"),
            OptionDescription(
                "stop-grace", .text("TIME"), "how long its process may take to end; default 10s"),
        ],
        summary: "Make a project and place it",
        details: "What follows -- is the command of the project's process, run in its volume.",
        examples: [
            "berth project create notes --host h1",
            "berth project create web -- python3 -m http.server 8080",
        ], takesCommand: true
    ) { invocation in
        let request = CreateProjectRequest(
            name: try invocation.word(0), owner: try invocation.options.text("owner"),
            host: try invocation.options.text("host"), runtime: try runtime(invocation))
        let project = try await invocation.change(
            "POST", ["projects"], body: request, as: ProjectDescription.self)
        let place = project.hostName.map { " on \(HarmlessText.text($0))" } ?? ""
        try await invocation.publisher.one(
            project, schema: "project/1", id: project.id.description,
            text: "✔ created \"\(HarmlessText.text(project.name))\"\(place)\n")
        return .done
    }

    private static func runtime(
        _ invocation: Invocation
    ) throws(CommandFailure) -> RuntimeDescription? {
        var environment: [String: String] = [:]
        for word in invocation.options.words("environment") {
            let parts = word.text?.split(
                separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let parts, parts.count == 2, !parts[0].isEmpty else {
                throw .usage(
                    "\"\(word.shown)\" is not NAME=VALUE", hint: "--environment NAME=VALUE")
            }
            environment[String(parts[0])] = String(parts[1])
        }
        let grace = try invocation.options.span("stop-grace")
        let command = try invocation.command()
        guard !command.isEmpty || !environment.isEmpty || grace != nil else { return nil }
        return RuntimeDescription(
            command: command, environment: environment,
            stopGraceSeconds: grace.map(TimeSpan.seconds) ?? 10)
    }

    private static let list = CommandDescription(
        "project list", aliases: ["ls"],
        options: [
            OptionDescription("at-risk", "by exposure, the longest without a backup first"),
            OptionDescription("sort", .choice(["id", "name", "exposure"]), "default id, by age"),
            OptionDescription("prefix", .text("TEXT"), "whose names begin so"),
            OptionDescription("search", .text("TEXT"), "whose names hold this"),
            OptionDescription("host", .text("HOST"), "placed there"),
            OptionDescription("owner", .text("OWNER"), "that belong to somebody"),
            OptionDescription(
                "provisioned", .choice(["true", "false", "unknown"]), "whether the volume is there"),
            OptionDescription("running", "whose process runs"),
            OptionDescription(
                "freshness", .choice(["fresh", "dirty", "unknown"]),
                "whether a backup holds everything"),
            OptionDescription("no-backup", "with a volume that no backup holds"),
        ],
        summary: "Projects, where they are and how exposed",
        examples: [
            "berth project list --at-risk --limit 20",
            "berth project list --search thesis --host h1",
            "berth project list --provisioned unknown",
            "berth project list --limit 1000 -o jsonl",
        ]
    ) { invocation in
        let options = invocation.options
        let query: [APIRequest.Parameter] = [
            .init("order", options.has("at-risk") ? "exposure" : try options.text("sort")),
            .init("prefix", try options.text("prefix")),
            .init("search", try options.text("search")),
            .init("host", try options.text("host")), .init("owner", try options.text("owner")),
            .init("provisioned", try options.text("provisioned")),
            .init("running", options.has("running") ? "true" : nil),
            .init("freshness", try options.text("freshness")),
            .init("backup", options.has("no-backup") ? "never" : nil),
        ]
        let page = try await invocation.list(
            ["projects"], query: query, of: ProjectDescription.self)
        let text = ProjectText(now: invocation.now())
        let isFiltered = query.contains { $0.value != nil }
        try await invocation.publisher.list(
            page, item: "project/1",
            none: isFiltered
                ? "no project is like that"
                : "no projects yet; berth project create NAME makes one",
            id: { $0.id.description }, table: text.table)
        return .done
    }

    private static let show = CommandDescription(
        "project show", aliases: ["get"], [.one("PROJECT")], summary: "One project",
        examples: ["berth project show notes"]
    ) { invocation in
        let project = try await invocation.project(0)
        try await invocation.publisher.one(
            project, schema: "project/1", id: project.id.description,
            text: ProjectText(now: invocation.now()).details(project))
        return .done
    }
}
