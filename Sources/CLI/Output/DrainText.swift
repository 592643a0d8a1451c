import Shared

/// Drains and their projects for people.
enum DrainText {
    static func plan(_ plan: DrainPlan) -> String {
        let name = HarmlessText.text(plan.hostName)
        var lines = [
            "Plan: \(Quantity.count(plan.projects, "project")) "
                + (plan.projects == 1 ? "leaves" : "leave")
                + " \(name), \(Quantity.count(plan.provisioned)) with a volume, "
                + "\(Quantity.count(plan.running)) running; "
                + "\(Quantity.bytes(plan.bytes)) in their last backups"
        ]
        let first = plan.targets.prefix(5).map { target in
            "\(HarmlessText.text(target.name)) (\(Quantity.bytes(target.freeBytes)) free)"
        }
        let more = plan.targets.count > 5 ? " and \(plan.targets.count - 5) more" : ""
        lines.append(
            first.isEmpty
                ? "      to no host: none that may take them is ready"
                : "      to \(first.joined(separator: ", "))\(more)")
        if plan.exposed + plan.never > 0 {
            let names = plan.atRisk.prefix(5).map(HarmlessText.text).joined(separator: ", ")
            lines.append(
                "      \(Quantity.count(plan.exposed)) with changes that no backup is known to "
                    + "hold, \(Quantity.count(plan.never)) without a backup: \(names)")
        }
        if let refusal = plan.refusal {
            lines.append("      refused: \(HarmlessText.text(refusal))")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// `drained h1: 61 moved, 2 of them to be cleaned up when it is back`.
    static func done(_ host: String, _ operation: OperationDescription) -> String {
        // A result of another form says nothing more than that it is done.
        guard let document = operation.result,
            let result = try? JSON.decode(GroupResult.self, from: document)
        else { return "drained \(host)" }
        var text = "drained \(host): \(Quantity.count(result.counts.ended)) moved"
        if result.counts.deferred > 0 {
            text +=
                ", \(Quantity.count(result.counts.deferred)) of them to be cleaned up when it is "
                + "back"
        }
        if !result.left.isEmpty {
            text +=
                "; left: \(result.left.prefix(5).map(HarmlessText.text).joined(separator: ", "))"
        }
        return text
    }

    static func table(_ items: [ItemDescription]) -> Table {
        var table = Table(columns: [
            .text("PROJECT"), .text("STATE"), .number("TRY", droppedAt: 2),
            .text("TO", droppedAt: 3), .identifier("OPERATION"), .text("WHY"),
        ])
        table.rows = items.map { item in
            let next = item.nextTryAt.map { "; next try \($0)" } ?? ""
            return [
                HarmlessText.text(item.name), item.state.rawValue, "\(item.tries)",
                item.targetName.map(HarmlessText.text) ?? "–", item.operation?.description ?? "–",
                (item.sentence ?? item.reason).map { HarmlessText.text($0) + next } ?? "–",
            ]
        }
        return table
    }
}

extension String {
    /// Without the newline at its end.
    var trimmedNewline: String { hasSuffix("\n") ? String(dropLast()) : self }
}
