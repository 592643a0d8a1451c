import Shared

/// Projects for people.
struct ProjectText: Sendable {
    let now: Timestamp

    func table(_ projects: [ProjectDescription]) -> Table {
        var table = Table(columns: [
            .text("PROJECT"), .text("OWNER", droppedAt: 3), .text("HOST"), .text("STATE"),
            .text("VOLUME", droppedAt: 2), .text("BACKUP"), .number("EXPOSURE"),
            .number("LAST BACKUP"), .identifier("ID"),
        ])
        table.rows = projects.map { project in
            [
                HarmlessText.text(project.name), HarmlessText.text(project.owner),
                HarmlessText.text(project.hostName ?? project.host?.description ?? "–"),
                Self.state(project), Self.volume(project), Self.freshness(project),
                Self.exposure(project), Quantity.age(project.lastBackup, at: now),
                project.id.description,
            ]
        }
        return table
    }

    func details(_ project: ProjectDescription) -> String {
        var facts = Facts()
        facts.add("project", HarmlessText.text(project.name))
        facts.add("id", project.id.description)
        facts.add("owner", HarmlessText.text(project.owner))
        facts.add("region", HarmlessText.text(project.region))
        facts.add(
            "host", HarmlessText.text(project.hostName ?? project.host?.description ?? "none"))
        facts.add("generation", "\(project.generation)")
        facts.add("state", Self.state(project))
        facts.add("volume", Self.volume(project))
        facts.add("user", "uid \(project.uid), gid \(project.gid)")
        facts.add("backup", Self.freshness(project))
        facts.add("exposure", Self.exposure(project))
        facts.add(
            "last backup",
            project.lastBackup.map { "\($0) (\(Quantity.age($0, at: now)) ago)" } ?? "never")
        let command = project.runtime.command.map(HarmlessText.text).joined(separator: " ")
        facts.add("process", command.isEmpty ? "none" : command)
        facts.add("created", "\(project.createdAt)")
        facts.add("deleted", project.deletedAt.map(\.description))
        return facts.text
    }

    static func state(_ project: ProjectDescription) -> String {
        if project.deletedAt != nil { return "deleted" }
        return project.runtimeState?.rawValue ?? "?"
    }

    /// Whether the volume is on its host.
    static func volume(_ project: ProjectDescription) -> String {
        switch project.provisioned {
        case true?: "yes"
        case false?: "no"
        case nil: "?"
        }
    }

    static func freshness(_ project: ProjectDescription) -> String {
        switch project.freshness {
        case .fresh: "● fresh"
        case .dirty: "◐ dirty"
        case .unknown: "? unknown"
        }
    }

    /// How long the oldest change without a backup has waited; unknown is `?`, never zero.
    static func exposure(_ project: ProjectDescription) -> String {
        project.exposureSeconds.map { $0 <= 0 ? "–" : Quantity.age(seconds: $0) } ?? "?"
    }
}
