import Shared

/// `operation …`.
enum OperationCommands {
    static let all = [list, show, watch, wait, cancel, abandon, DrainCommands.items]

    private static let list = CommandDescription(
        "operation list", aliases: ["ls"],
        options: [
            OptionDescription(
                "state", .choice(OperationState.allCases.map(\.rawValue)), "only in this state"),
            OptionDescription(
                "kind", .choice(OperationKind.allCases.map(\.rawValue)), "only of this kind"),
            OptionDescription("project", .text("PROJECT"), "only of this project"),
            OptionDescription("host", .text("HOST"), "only of this host"),
        ],
        summary: "What runs, waits and ended lately",
        examples: ["berth operation list", "berth op list --state failed --project notes"]
    ) { invocation in
        var query: [APIRequest.Parameter] = []
        for name in ["state", "kind", "project", "host"] {
            query.append(.init(name, try invocation.options.text(name)))
        }
        let page = try await invocation.list(
            ["operations"], query: query, of: OperationDescription.self)
        let text = OperationText(now: invocation.now())
        try await invocation.publisher.list(
            page, item: "operation/1", none: "no operations", id: { $0.id.description },
            table: text.table)
        return .done
    }

    private static let show = CommandDescription(
        "operation show", aliases: ["get"], [.one("OPERATION")],
        summary: "One operation: its leases, its children and how it ended",
        examples: ["berth op show 3vqjhp41"]
    ) { invocation in
        let operation = try await find(try invocation.word(0), invocation)
        try await invocation.publisher.one(
            operation, schema: "operation/1", id: operation.id.description,
            text: OperationText(now: invocation.now()).details(operation))
        return .done
    }

    private static let watch = CommandDescription(
        "operation watch", aliases: ["attach"], [.one("OPERATION")],
        summary: "Show an operation's progress until it ends",
        details: "The exit code is the one that the command that started it would have had.",
        examples: ["berth op watch 3vqjhp41"]
    ) { invocation in
        let operation = try await find(try invocation.word(0), invocation)
        return try await invocation.follow(operation) { end in
            .took("\(Ending.title(of: end)) succeeded", end)
        }
    }

    private static let wait = CommandDescription(
        "operation wait", [.many("OPERATION")],
        options: [OptionDescription("any", "until the first one ends, rather than all")],
        summary: "Wait until operations have ended",
        details: "Exit code 8 when one has failed, 9 when one was canceled or has expired.",
        examples: [
            "berth op wait 3vqjhp41", "berth op wait 3vqjhp41 8x0f2q9a --any --timeout 10m",
        ],
        run: { try await WaitForOperations(invocation: $0).run() })

    private static let cancel = CommandDescription(
        "operation cancel", [.one("OPERATION")],
        summary: "Ask for an operation to stop, and wait until it has",
        details: "Past its point of no return an operation is not canceled: exit code 5.",
        examples: ["berth op cancel 3vqjhp41"],
        run: { try await CancelOperation(invocation: $0).run() })

    private static let abandon = CommandDescription(
        "operation abandon", [.one("OPERATION")],
        options: [OptionDescription("reason", .text("TEXT"), "why, for its record")],
        summary: "End an operation that nobody can bring to its end",
        details: """
            Nobody is asked and nothing is undone: its parts end too, what its workers still send
            is refused, and its hosts clean up. Try berth operation cancel first.
            """,
        examples: ["berth op abandon 3vqjhp41 --reason burnt-down --yes"]
    ) { invocation in
        let operation = try await find(try invocation.word(0), invocation)
        let title = Ending.title(of: operation)
        if !operation.state.isTerminal {
            try await Confirmation(invocation: invocation).agree(
                to: "\(title) is \(operation.state.rawValue). End it and undo nothing?")
        }
        let end = try await invocation.change(
            "POST", ["operations", operation.id.description, "abandon"],
            body: AbandonRequest(reason: try invocation.options.text("reason")),
            as: OperationDescription.self)
        let isAbandoned = end.failure?.code == "abandoned"
        try await invocation.publisher.one(
            end, schema: "operation/1", id: end.id.description,
            text:
                "\(title) \(isAbandoned ? "was abandoned" : "had already \(end.state.rawValue)")\n")
        return isAbandoned ? .done : .refused
    }

    /// The operation that a word names.
    static func find(
        _ word: String, _ invocation: Invocation
    ) async throws -> OperationDescription {
        try await invocation.hub().send(.get(["operations", word]), as: OperationDescription.self)
    }
}
