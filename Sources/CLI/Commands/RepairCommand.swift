import Shared

/// `backup repair`.
enum RepairCommand {
    static let repair = CommandDescription(
        "backup repair", [.one("PROJECT")],
        options: [
            OptionDescription(
                "accept-loss",
                "replace backups that are not whole by what is left of them"),
            OptionDescription("dry-run", "only say what is wrong, without reading the packs"),
        ],
        summary: "Make a damaged repository consistent again",
        details: """
            Makes the index name what is in the bucket, reads every pack, and saves what is good in
            damaged ones. Where something is lost it ends and names it; with --accept-loss backups
            that are not whole are then replaced by what is left, which names what is missing.
            Other work on the project waits meanwhile; interrupted, it goes on where it was.
            """,
        examples: [
            "berth backup repair notes --dry-run", "berth backup repair notes",
            "berth backup repair notes --accept-loss",
        ]
    ) { invocation in
        let project = try invocation.word(0)
        let path = ["projects", project, "repair"]
        if invocation.options.has("dry-run") {
            let found = try await invocation.change(
                "POST", path, body: RepairRequest(isDryRun: true), as: RepairResult.self)
            try await invocation.publisher.one(
                found, schema: "repair.plan/1", id: "", text: text(ofPlan: found))
            return .done
        }
        let request = RepairRequest(
            acceptsLoss: invocation.options.has("accept-loss") ? true : nil)
        return try await invocation.perform("POST", path, body: request) { operation in
            let name = HarmlessText.text(operation.scopeName ?? project)
            // Another form of result than this version knows is told in fewer words.
            let result = operation.result.flatMap { try? JSON.decode(RepairResult.self, from: $0) }
            guard let result else { return .took("repaired \"\(name)\"", operation) }
            return Ending("✔ repaired \"\(name)\"\(Ending.time(of: operation)): " + told(result))
        }
    }

    private static func text(ofPlan found: RepairResult) -> String {
        let head =
            "\(Quantity.count(Int64(found.findingCount), "thing")) wrong, "
            + "\(Quantity.count(Int64(found.recoveredPacks), "pack")) in no index\n"
        return head + found.findings.map { "  \(HarmlessText.text($0))\n" }.joined()
    }

    private static func told(_ result: RepairResult) -> String {
        var parts = [
            "\(Quantity.count(Int64(result.packsRead), "pack")) read",
            "\(Quantity.count(Int64(result.recoveredPacks), "pack")) indexed anew",
        ]
        if result.damagedPacks > 0 {
            parts.append(
                "\(result.salvagedBlobs) of \(result.salvagedBlobs + result.lostBlobs) parts of "
                    + "\(Quantity.count(Int64(result.damagedPacks), "damaged pack")) saved")
        }
        if !result.repairedBackups.isEmpty {
            parts.append(
                "\(Quantity.count(Int64(result.repairedBackups.count), "backup")) without "
                    + "\(Quantity.count(Int64(result.lostPathCount), "lost path"))")
        }
        return parts.joined(separator: ", ")
    }
}
