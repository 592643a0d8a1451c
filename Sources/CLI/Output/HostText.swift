import Shared

/// Hosts for people.
struct HostText: Sendable {
    let now: Timestamp

    func table(_ hosts: [HostDescription]) -> Table {
        var table = Table(columns: [
            .text("HOST"), .text("REGION", droppedAt: 3), .text("STATE"), .number("SEEN"),
            .number("PROJECTS"), .number("PROVISIONED", droppedAt: 2), .number("RUNNING"),
            .number("FREE"), .number("OUTBOX", droppedAt: 4), .text("AGENT", droppedAt: 5),
        ])
        table.rows = hosts.map { host in
            [
                HarmlessText.text(host.name), HarmlessText.text(host.region), Self.state(host),
                Quantity.age(host.seenAt, at: now), Quantity.count(host.projects),
                Quantity.count(host.provisioned), Quantity.count(host.running),
                host.status.map { Quantity.bytes($0.freeBytes) } ?? "?",
                host.status.map { Quantity.count($0.outboxPending) } ?? "?",
                host.status.map { HarmlessText.text($0.agentVersion) } ?? "–",
            ]
        }
        return table
    }

    func details(_ host: HostDescription) -> String {
        var facts = Facts()
        facts.add("host", HarmlessText.text(host.name))
        facts.add("id", host.id.description)
        facts.add("region", HarmlessText.text(host.region))
        facts.add("state", Self.state(host))
        facts.add("placements", host.isSchedulable == false ? "cordoned: none are made" : nil)
        facts.add("drain", host.drain?.description)
        facts.add("seen", host.seenAt.map { "\($0) (\(Quantity.age($0, at: now)) ago)" } ?? "never")
        facts.add(
            "projects",
            "\(Quantity.count(host.projects)) placed, \(Quantity.count(host.provisioned)) "
                + "provisioned, \(Quantity.count(host.running)) running")
        if let status = host.status {
            facts.add("trouble", status.trouble.map(HarmlessText.text))
            facts.add(
                "space",
                "\(Quantity.bytes(status.freeBytes)) free of \(Quantity.bytes(status.totalBytes))")
            facts.add("outbox", "\(Quantity.count(status.outboxPending, "report")) pending")
            facts.add("agent", HarmlessText.text(status.agentVersion))
            facts.add("filesystem", status.filesystem?.description)
        }
        return facts.text
    }

    /// A sign and a word, so that colour is not needed.
    static func state(_ host: HostDescription) -> String {
        switch host.state {
        case .expected: "○ expected"
        case .arriving: "◌ arriving"
        case .ready where host.drain != nil: "◐ draining"
        case .ready where host.isSchedulable == false: "● cordoned"
        case .ready: "● ready"
        case .troubled: "▲ troubled"
        case .silent: "✕ silent"
        }
    }
}
