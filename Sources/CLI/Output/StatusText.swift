import Shared

/// The fleet in one screen.
struct StatusText: Sendable {
    let isColored: Bool

    func text(_ status: FleetStatus) -> String {
        var facts = Facts()
        facts.add("HOSTS", hosts(status))
        facts.add("PROJECTS", projects(status.projects))
        facts.add("BACKUPS", backups(status.projects))
        if let worst = status.worst { facts.add("", self.worst(worst)) }
        facts.add("OPERATIONS", operations(status.operations))
        facts.add(
            "COPIES",
            "\(Quantity.count(status.pendingCopies)) pending"
                + (status.pendingCopies > 0 ? "   → berth copy list" : ""))
        var text = "hub \(HarmlessText.text(status.version)) · as of \(status.asOf)\n"
        for warning in status.warnings {
            text += Color.yellow.paint("▲ \(HarmlessText.text(warning))", isColored) + "\n"
        }
        text += "\n" + facts.text
        if let drains = status.drains, !drains.isEmpty { text += "\n" + going(drains) }
        let troubled = status.hosts.filter { $0.state == .troubled || $0.state == .silent }
        if !troubled.isEmpty { text += "\n" + self.troubled(troubled, status.asOf) }
        if !status.runningOperations.isEmpty { text += "\n" + running(status) }
        return text
    }

    private func hosts(_ status: FleetStatus) -> String {
        func count(_ state: HostState) -> Int64 {
            Int64(status.hosts.count { $0.state == state })
        }
        let counts =
            status.hostCounts
            ?? HostCounts(
                ready: count(.ready), troubled: count(.troubled), silent: count(.silent),
                expected: count(.expected), arriving: count(.arriving))
        let arriving = counts.arriving ?? 0
        let total = counts.ready + counts.troubled + counts.silent + counts.expected + arriving
        var parts = [
            Quantity.count(total),
            Color.green.paint(
                "● \(Quantity.count(counts.ready)) ready", isColored && counts.ready > 0),
            Color.yellow.paint(
                "▲ \(Quantity.count(counts.troubled)) troubled", isColored && counts.troubled > 0),
            Color.red.paint(
                "✕ \(Quantity.count(counts.silent)) silent", isColored && counts.silent > 0),
            "○ \(Quantity.count(counts.expected)) expected",
        ]
        if arriving > 0 { parts.append("◌ \(Quantity.count(arriving)) arriving") }
        return parts.joined(separator: "   ")
    }

    private func projects(_ counts: ProjectCounts) -> String {
        var parts = [
            "\(Quantity.count(counts.provisioned)) provisioned",
            "\(Quantity.count(counts.running)) running",
        ]
        if counts.provisionedUnknown > 0 {
            parts.append("? \(Quantity.count(counts.provisionedUnknown)) unknown")
        }
        return "\(Quantity.count(counts.total))   " + parts.joined(separator: " · ")
    }

    private func backups(_ counts: ProjectCounts) -> String {
        [
            "● \(Quantity.count(counts.fresh)) fresh", "◐ \(Quantity.count(counts.dirty)) dirty",
            Color.red.paint(
                "✕ \(Quantity.count(counts.never)) never", isColored && counts.never > 0),
            "? \(Quantity.count(counts.freshnessUnknown)) unknown",
        ].joined(separator: "   ")
    }

    private func worst(_ project: ProjectDescription) -> String {
        let name = HarmlessText.text(project.name)
        let place = project.hostName.map { " on \(HarmlessText.text($0))" } ?? ""
        return "worst exposure \(ProjectText.exposure(project))  \"\(name)\"\(place)"
            + "   → berth backup create \(name)"
    }

    private func operations(_ counts: OperationCounts) -> String {
        let failed = "\(Quantity.count(counts.failedInDay)) failed in 24h"
        return [
            "\(Quantity.count(counts.running)) running",
            "\(Quantity.count(counts.waiting)) waiting",
            "\(Quantity.count(counts.queued)) queued",
            Color.red.paint(failed, isColored && counts.failedInDay > 0),
        ].joined(separator: " · ")
            + (counts.failedInDay > 0 ? "   → berth operation list --state failed" : "")
    }

    /// What is done to many projects now, and how far it is.
    private func going(_ groups: [OperationDescription]) -> String {
        groups.sorted { $0.id > $1.id }.prefix(8).map { group in
            let what =
                group.kind == .drain
                ? "drain of \(HarmlessText.text(group.scopeName ?? group.scope))" : "batch"
            let how =
                group.progress?.message ?? group.waiting?.sentence ?? group.phase
                ?? group.state.rawValue
            return "  \(group.id)  \(what): \(HarmlessText.text(how))".prefix(110) + "\n"
        }.joined()
    }

    private func troubled(_ hosts: [HostDescription], _ now: Timestamp) -> String {
        let lines = hosts.prefix(8).map { host in
            let reason =
                host.status?.trouble ?? "last heard of \(Quantity.age(host.seenAt, at: now)) ago"
            return "  \(HarmlessText.text(host.name))  \(HostText.state(host)): "
                + HarmlessText.text(reason) + "\n"
        }
        let rest = hosts.count - lines.count
        return lines.joined() + (rest > 0 ? "  … \(rest) more: berth host list\n" : "")
    }

    private func running(_ status: FleetStatus) -> String {
        let shown = Array(status.runningOperations.prefix(8))
        let table = OperationText(now: status.asOf).table(shown)
        return table.text(width: 110, hasHeader: true)
    }
}
