import FoundationEssentials
import Shared

/// `backup …`.
enum BackupCommands {
    static let all = [create, audit, list, entries, RestoreCommand.description, exportKey]

    private static let create = CommandDescription(
        "backup create", aliases: ["new"], [.one("PROJECT")], summary: "Back a project up now",
        details: "With -o id the new backup's id is written. Exit code 3: something was left out.",
        examples: ["berth backup create notes", "id=$(berth backup create notes -o id)"]
    ) { invocation in
        let project = try invocation.word(0)
        return try await invocation.perform("POST", ["projects", project, "backup"]) { operation in
            let name = HarmlessText.text(operation.scopeName ?? project)
            // Another form of result than this version knows is told in fewer words.
            let result = operation.result.flatMap {
                try? JSON.decode(VolumeBackupResult.self, from: $0)
            }
            guard let result else { return .took("backed up \"\(name)\"", operation) }
            let how = result.detection.map { "  (\(BackupText.sentence($0)))" } ?? ""
            return Ending(
                "✔ backed up \"\(name)\"\(Ending.time(of: operation)): "
                    + "\(Quantity.count(result.files, "file")), \(Quantity.bytes(result.bytes)), "
                    + "\(Quantity.bytes(result.addedBytes)) new, "
                    + "\(Quantity.bytes(result.storedBytes)) stored  \(result.backup.id)\(how)",
                id: result.backup.id.description, omissions: Ending.omissions(of: operation))
        }
    }

    private static let audit = CommandDescription(
        "backup audit", [.one("PROJECT")],
        summary: "Back a project up and prove that no change was missed",
        details: """
            Backs up what btrfs says has changed, then reads the whole volume and compares, bit for
            bit. A difference fails with audit-mismatch; everything has been backed up then.
            """,
        examples: ["berth backup audit notes"]
    ) { invocation in
        let project = try invocation.word(0)
        return try await invocation.perform("POST", ["projects", project, "audit"]) { operation in
            let name = HarmlessText.text(operation.scopeName ?? project)
            // Another form of result than this version knows is told in fewer words.
            let result = operation.result.flatMap {
                try? JSON.decode(VolumeBackupResult.self, from: $0)
            }
            guard let result, let detection = result.detection else {
                return .took("audited \"\(name)\"", operation)
            }
            let what =
                detection.isAudited == true
                ? "what had changed is what the whole volume shows"
                : "nothing to compare with, \(BackupText.sentence(detection))"
            return Ending(
                "✔ audited \"\(name)\"\(Ending.time(of: operation)): \(what), "
                    + "\(Quantity.count(result.files, "file"))  \(result.backup.id)",
                id: result.backup.id.description, omissions: Ending.omissions(of: operation))
        }
    }

    private static let list = CommandDescription(
        "backup list", [.one("PROJECT")], summary: "A project's backups",
        examples: ["berth backup list notes", "berth backup list notes -o id --limit 1"]
    ) { invocation in
        let project = try invocation.word(0)
        let page = try await invocation.list(
            ["projects", project, "backups"], of: BackupDescription.self)
        let text = BackupText(now: invocation.now())
        let shown = HarmlessText.text(project)
        try await invocation.publisher.list(
            page, item: "backup/1",
            none: "no backups of \"\(shown)\" yet; berth backup create \(shown) makes one",
            id: { $0.id.description }, table: text.table)
        return .done
    }

    private static let entries = CommandDescription(
        "backup ls", [.one("PROJECT"), .one("BACKUP"), .optional("PATH")],
        summary: "What a directory of a backup holds",
        details: "Names show control characters and bytes that are not UTF-8 as escapes.",
        examples: ["berth backup ls notes latest", "berth backup ls notes 3vqjhp41 src/data"]
    ) { invocation in
        var path = ProjectPath.root
        if invocation.operands.count > 2 {
            path = try ProjectPath(argument: invocation.operands[2])
        }
        let page = try await invocation.list(
            [
                "projects", try invocation.word(0), "backups", try invocation.word(1), "entries",
            ], query: [directory(path)], of: BackupEntry.self)
        let text = BackupText(now: invocation.now())
        try await invocation.publisher.list(
            page, item: "entry/1", none: "the directory is empty",
            id: { HarmlessText.name([UInt8]($0.name)) }, table: text.entries)
        return .done
    }

    /// The parameter of a directory; one that is not UTF-8 goes in base 64.
    private static func directory(_ path: ProjectPath) -> APIRequest.Parameter {
        if let text = String(validating: path.bytes, as: UTF8.self) { return .init("path", text) }
        return .init("path64", Data(path.bytes).base64EncodedString())
    }

    private static let exportKey = CommandDescription(
        "backup export-key", [.one("PROJECT")],
        options: [
            OptionDescription(
                "password-file", .text("FILE"), "write the password there, for its owner only")
        ],
        summary: "What stock restic needs to open a project's repository",
        details: "Whoever has the password can read all backups of the project.",
        examples: [
            "berth backup export-key notes --password-file key",
            "eval \"$(berth backup export-key notes)\"; restic snapshots --no-lock",
        ],
        run: { try await ExportKey(invocation: $0).run() })
}
