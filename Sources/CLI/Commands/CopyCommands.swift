import Shared

/// `copy …`.
enum CopyCommands {
    static let all = [create, list, cancel]

    private static let create = CommandDescription(
        "copy create", aliases: ["new"], [.one("PROJECT"), .one("PATH")],
        options: [
            OptionDescription(
                "to", .text("PROJECT[:PATH]"), isRepeatable: true,
                "where it goes; default the same path"),
            OptionDescription(
                "overwrite", .choice(Overwrite.allCases.map(\.rawValue)),
                "what happens to something that is there; default never"),
            OptionDescription(
                "backup", .text("BACKUP"), "copy from this backup; default the state of now"),
        ],
        summary: "Copy a path of one project into others, at once or when their host is back",
        examples: [
            "berth copy create course handout --to anna --to ben",
            "berth copy create course handout --to anna:week1/handout --detach",
        ],
        run: { try await CreateCopy(invocation: $0).run() })

    private static let list = CommandDescription(
        "copy list", aliases: ["ls"],
        options: [
            OptionDescription(
                "state", .choice(CopyState.allCases.map(\.rawValue)), "only copies in this state")
        ],
        summary: "Copies and where they stand",
        examples: ["berth copy list", "berth copy list --state pending"]
    ) { invocation in
        let page = try await invocation.list(
            ["copies"], query: [.init("state", try invocation.options.text("state"))],
            of: CopyDescription.self)
        let now = invocation.now()
        try await invocation.publisher.list(
            page, item: "copy/1", none: "no copies", id: { $0.id.description },
            table: { table($0, now) })
        return .done
    }

    private static func table(_ copies: [CopyDescription], _ now: Timestamp) -> Table {
        var table = Table(columns: [
            .identifier("COPY"), .text("FROM"), .text("TO"), .text("STATE"), .number("AGE"),
            .number("EXPIRES IN", droppedAt: 2), .text("WHY", droppedAt: 3),
        ])
        table.rows = copies.map { copy in
            let isOpen = copy.finishedAt == nil
            let left = (copy.expiresAt.milliseconds - now.milliseconds) / 1000
            return [
                copy.id.description, place(copy.sourceName, copy.path),
                place(copy.destinationName, copy.destinationPath), copy.state.rawValue,
                Quantity.age(copy.createdAt, at: now),
                isOpen ? Quantity.age(seconds: left) : "–",
                copy.reason.map(HarmlessText.text) ?? "–",
            ]
        }
        return table
    }

    private static func place(_ project: String, _ path: ProjectPath) -> String {
        HarmlessText.text(project) + ":" + HarmlessText.name(path.bytes)
    }

    private static let cancel = CommandDescription(
        "copy cancel", [.one("COPY")], summary: "Give up a copy that is not done",
        examples: ["berth copy cancel 3vqjhp41"]
    ) { invocation in
        let copy = try await invocation.change(
            "POST", ["copies", try invocation.word(0), "cancel"], as: CopyDescription.self)
        try await invocation.publisher.one(
            copy, schema: "copy/1", id: copy.id.description,
            text: "the copy to \"\(HarmlessText.text(copy.destinationName))\" is "
                + "\(copy.state.rawValue)\n")
        return .done
    }
}
