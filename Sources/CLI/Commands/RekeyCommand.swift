import Shared

/// `backup rekey`.
enum RekeyCommand {
    static let rekey = CommandDescription(
        "backup rekey", [.one("PROJECT")],
        options: [
            OptionDescription(
                "remove-old", "remove the old repository when the new one has taken its place")
        ],
        summary: "Move a project's backups into a new repository with another key",
        details: """
            For a key or password that somebody has who should not. Every backup is copied, opened,
            verified and sealed anew; the new repository takes the place of the old one in one
            step, and later backups go into it. Other work on the project waits meanwhile;
            interrupted, it goes on where it was.
            """,
        examples: ["berth backup rekey notes", "berth backup rekey notes --remove-old"]
    ) { invocation in
        let project = try invocation.word(0)
        let request = RekeyRequest(removesOld: invocation.options.has("remove-old") ? true : nil)
        return try await invocation.perform(
            "POST", ["projects", project, "rekey"], body: request
        ) { operation in
            let name = HarmlessText.text(operation.scopeName ?? project)
            // Another form of result than this version knows is told in fewer words.
            let result = operation.result.flatMap { try? JSON.decode(RekeyResult.self, from: $0) }
            guard let result else { return .took("rekeyed \"\(name)\"", operation) }
            let old = HarmlessText.text(result.oldLocation)
            return Ending(
                "✔ rekeyed \"\(name)\"\(Ending.time(of: operation)): "
                    + "\(Quantity.count(Int64(result.snapshots), "backup")), "
                    + "\(Quantity.bytes(result.writtenBytes)) written; the old repository "
                    + (result.isOldRemoved ? "is removed" : "is still at \(old)"))
        }
    }
}
