import Shared

/// `host cordon`, `uncordon`, `drain`, `undrain`, and `operation items`.
enum DrainCommands {
    static let all = [cordon, uncordon, drain, undrain]

    private static let reason = OptionDescription("reason", .text("TEXT"), "why, for its record")

    private static let cordon = CommandDescription(
        "host cordon", [.one("HOST")], options: [reason],
        summary: "Place no more projects on a host; what is there stays",
        examples: ["berth host cordon h1 --reason disk"]
    ) { invocation in
        try await change("cordon", "cordoned: nothing more is placed on it", invocation)
    }

    private static let uncordon = CommandDescription(
        "host uncordon", [.one("HOST")], options: [reason],
        summary: "Let projects be placed on a host again",
        examples: ["berth host uncordon h1"]
    ) { invocation in
        try await change("uncordon", "open: projects may be placed on it", invocation)
    }

    private static let undrain = CommandDescription(
        "host undrain", [.one("HOST")], options: [reason],
        summary: "End a host's drain and let projects be placed on it again",
        details: "What has been moved stays moved; what is being moved is given back.",
        examples: ["berth host undrain h1"]
    ) { invocation in
        try await change(
            "undrain", "open: its drain ends, and projects may be placed on it", invocation)
    }

    private static func change(
        _ verb: String, _ done: String, _ invocation: Invocation
    ) async throws -> ExitCode {
        let host = try await invocation.change(
            "POST", ["hosts", try invocation.word(0), verb],
            body: AbandonRequest(reason: try invocation.options.text("reason")),
            as: HostDescription.self)
        try await invocation.publisher.one(
            host, schema: "host/1", id: host.id.description,
            text: "\(HarmlessText.text(host.name)) is \(done)\n")
        return .done
    }

    private static let drain = CommandDescription(
        "host drain", [.one("HOST")],
        options: [
            OptionDescription(
                "to", .text("HOST"), isRepeatable: true,
                "where projects go; default the ready hosts of its region, the most free first"),
            OptionDescription(
                "max-parallel", .text("N"), "so many projects at once, 1 to 64; default 4"),
            OptionDescription(
                "tries", .text("N"), "how often each project is tried; default 5"),
            OptionDescription(
                "deadline", .text("TIME"), "begin no move after so long, such as 6h"),
            OptionDescription(
                "from-backup",
                "where the host cannot be reached: move what was backed up wholly"),
            OptionDescription(
                "accept-loss", .text("NAME"),
                "where the host cannot be reached: move all that has a backup, and lose what is "
                    + "newer; the host's name"),
            OptionDescription(
                "leave-unknown", "do not wait for volumes that no placement explains"),
            OptionDescription("dry-run", "only say what would be done"),
        ],
        summary: "Move every project away from a host",
        details: """
            The host takes no projects from then on, also when the drain fails or is canceled: berth
            host uncordon opens it again. It has ended well only when the host itself says that
            nothing is left. Watch it again with berth operation watch, and its projects with berth
            operation items.
            """,
        examples: [
            "berth host drain h1 --dry-run", "berth host drain h1 --max-parallel 8 --deadline 6h",
            "berth host drain h4 --from-backup --to h2 --to h3",
        ],
        run: drain)

    private static func drain(_ invocation: Invocation) async throws -> ExitCode {
        let host = try invocation.word(0)
        var request = try request(invocation)
        request.isDryRun = true
        let plan = try await invocation.change(
            "POST", ["hosts", host, "drain"], body: request, as: DrainPlan.self)
        let name = HarmlessText.text(plan.hostName)
        if invocation.options.has("dry-run") {
            try await invocation.publisher.one(
                plan, schema: "drain.plan/1", id: plan.host.description,
                text: DrainText.plan(plan))
            return plan.refusal == nil ? .done : .refused
        }
        await invocation.console.say(DrainText.plan(plan).trimmedNewline)
        if plan.projects > 0, plan.refusal == nil {
            try await Confirmation(invocation: invocation).agree(
                to: "\(Quantity.count(plan.projects, "project")) will leave \(name), "
                    + "\(plan.running) of them running. Drain it?")
        }
        request.isDryRun = false
        return try await invocation.perform("POST", ["hosts", host, "drain"], body: request) {
            end in .took(DrainText.done(name, end), end)
        }
    }

    private static func request(_ invocation: Invocation) throws -> DrainRequest {
        let options = invocation.options
        var targets: [String] = []
        for word in options.words("to") {
            guard let text = word.text else {
                throw CommandFailure.usage("the value of --to is not UTF-8: \(word.shown)")
            }
            targets.append(text)
        }
        return DrainRequest(
            targets: targets, maxParallel: try options.number("max-parallel", 1...64),
            tries: try options.number("tries", 1...100), fromBackup: options.has("from-backup"),
            acceptLoss: try options.text("accept-loss"),
            deadlineSeconds: try options.span("deadline").map { Int64(TimeSpan.seconds($0)) },
            leavesUnknown: options.has("leave-unknown"))
    }

    /// `operation items`.
    static let items = CommandDescription(
        "operation items", [.one("OPERATION")],
        options: [
            OptionDescription(
                "state", .choice(ItemState.allCases.map(\.rawValue)), "only in this state")
        ],
        summary: "The projects of a drain or batch, and why one does not go on",
        examples: ["berth op items 3vqjhp41 --state blocked"]
    ) { invocation in
        let page = try await invocation.list(
            ["operations", try invocation.word(0), "items"],
            query: [.init("state", try invocation.options.text("state"))],
            of: ItemDescription.self)
        try await invocation.publisher.list(
            page, item: "item/1", none: "no projects", id: { $0.project.description },
            table: DrainText.table)
        return .done
    }
}
