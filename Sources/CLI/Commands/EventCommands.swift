import Platform
import Shared

/// `events`: the registry's log.
enum EventCommands {
    static let all = [events]

    private static let events = CommandDescription(
        "events",
        options: [
            OptionDescription("follow", letter: "f", "go on as they happen, until Ctrl-C"),
            OptionDescription("last", .text("N"), "the last N events; default 50"),
            OptionDescription(
                "after", .text("SEQUENCE"), "those behind this one, instead of --last"),
            OptionDescription("project", .text("PROJECT"), "only of this project"),
            OptionDescription("host", .text("HOST"), "only of this host"),
            OptionDescription(
                "type", .text("TYPES"), "only these, such as copy or host.enrolled,backup"),
        ],
        summary: "What changed in the registry: who, when, what",
        details: """
            Sequences have no gap, so --after with the last one seen misses nothing. Where the hub
            says that it cannot go on behind it (reset), read the registry anew.
            """,
        examples: [
            "berth events --project notes", "berth events --follow --type copy,placement -o jsonl",
        ]
    ) { invocation in
        let options = invocation.options
        let hub = try invocation.hub()
        var filter: [APIRequest.Parameter] = []
        for name in ["project", "host", "type"] {
            filter.append(.init(name, try options.text(name)))
        }
        let after = try options.number("after", 0...Int.max).map(String.init)
        let last = try options.number("last", 0...1_000_000) ?? 50
        let start: APIRequest.Parameter =
            after.map { .init("after", $0) } ?? .init("last", String(last))
        var next: Int64 = 0
        var parameter = start
        var shown = 0
        // Pages go on where a filter left little of one; a list ends at its limit.
        while true {
            let page = try await hub.send(
                .get(["events"], query: filter + [parameter, .init("limit", "1000")]),
                as: EventPage.self)
            try await tell(page, invocation)
            shown += page.items.count
            next = page.next
            if page.next >= page.newest || shown >= invocation.settings.limit { break }
            parameter = .init("after", String(next))
        }
        if options.has("follow") { try await follow(hub, filter, after: next, invocation) }
        return .done
    }

    /// Follows the feed by long polls, which go on after a lost connection where they were.
    private static func follow(
        _ hub: HubClient, _ filter: [APIRequest.Parameter], after: Int64, _ invocation: Invocation
    ) async throws {
        var next = after
        while true {
            let page = try await hub.send(
                .get(
                    ["events"],
                    query: filter + [.init("after", String(next)), .init("wait", "30s")]),
                as: EventPage.self)
            try await tell(page, invocation)
            next = page.next
        }
    }

    private static func tell(_ page: EventPage, _ invocation: Invocation) async throws {
        if let reset = page.reset {
            await invocation.console.complain(
                "the feed cannot go on from there (\(reset.reason.rawValue)): "
                    + "it offers events \(reset.oldest) to \(reset.newest)")
        }
        for event in page.items {
            try await invocation.publisher.one(
                event, schema: "event/1", id: String(event.sequence), text: line(event))
        }
    }

    private static func line(_ event: EventDescription) -> String {
        var about: [String] = []
        for name in ["name", "generation", "isProvisioned", "isWantedRunning", "state", "reason"] {
            guard let value = event.payload[name], let text = try? JSON.text(value) else {
                // Not in this event's payload.
                continue
            }
            about.append("\(name)=\(text)")
        }
        let subject = event.project.map(\.description) ?? event.host.map(\.description) ?? ""
        return HarmlessText.text(
            "\(event.sequence)  \(event.time)  \(event.type)  \(subject)  "
                + about.joined(separator: " ") + "  by \(event.actor)") + "\n"
    }
}
