import Shared

/// `limit …`.
enum LimitCommands {
    static let all = [list, set, unset]

    private static let words = """
        A limit's name is kind:KIND, host:NAME, host:NAME:backup, host:NAME:restore or bucket:NAME.
        What runs is never stopped: after a limit was lowered it takes effect as work ends.
        """

    private static let list = CommandDescription(
        "limit list", aliases: ["ls"],
        summary: "How much may run at once, and how much does",
        examples: ["berth limit list"]
    ) { invocation in
        let page = try await invocation.list(["limits"], of: LimitDescription.self)
        try await invocation.publisher.list(
            page, item: "limit/1", none: "no limits", id: { $0.resource }, table: table)
        return .done
    }

    private static let set = CommandDescription(
        "limit set", [.one("LIMIT"), .one("PLACES")],
        options: [OptionDescription("reason", .text("TEXT"), "why, for the record")],
        summary: "Change how much runs at once, while it does", details: words,
        examples: [
            "berth limit set kind:move 10 --reason evacuation", "berth limit set host:h1:backup 1",
            "berth limit set bucket:b2 0 --reason maintenance",
        ]
    ) { invocation in
        let places = try invocation.word(1)
        guard let number = Int(places), (0...10_000).contains(number) else {
            throw CommandFailure(
                .usage, code: "usage", "\(places) is not a number from 0 to 10,000")
        }
        try await change(invocation, places: number)
        return .done
    }

    private static let unset = CommandDescription(
        "limit unset", [.one("LIMIT")],
        options: [OptionDescription("reason", .text("TEXT"), "why, for the record")],
        summary: "Take a limit away; the configuration's holds again", details: words,
        examples: ["berth limit unset kind:move"]
    ) { invocation in
        try await change(invocation, places: nil)
        return .done
    }

    private static func change(_ invocation: Invocation, places: Int?) async throws {
        let limit = try await invocation.change(
            "POST", ["limits"],
            body: LimitRequest(
                resource: try invocation.word(0), places: places,
                reason: try invocation.options.text("reason")),
            as: LimitDescription.self)
        let name = title(limit)
        try await invocation.publisher.one(
            limit, schema: "limit/1", id: limit.resource,
            text: limit.places.map { "\(name): \($0) at once, \(limit.used) now\n" }
                ?? "\(name) has no limit\n")
    }

    private static func table(_ limits: [LimitDescription]) -> Table {
        var table = Table(columns: [
            .text("LIMIT"), .number("PLACES"), .number("USED"), .text("BY", droppedAt: 2),
            .text("REASON", droppedAt: 1),
        ])
        table.rows = limits.map { limit in
            [
                title(limit), limit.places.map { Quantity.count(Int64($0)) } ?? "",
                Quantity.count(Int64(limit.used)),
                limit.isDefault ? "configuration" : HarmlessText.text(limit.changedBy),
                HarmlessText.text(limit.reason ?? ""),
            ]
        }
        return table
    }

    /// The limit's name with the host's or bucket's.
    private static func title(_ limit: LimitDescription) -> String {
        var words = limit.resource.split(separator: ":").map(String.init)
        if words.count > 1, let name = limit.name { words[1] = name }
        return HarmlessText.text(words.joined(separator: ":"))
    }
}
