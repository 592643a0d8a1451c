import Shared

/// `backup restore`.
enum RestoreCommand {
    static let description = CommandDescription(
        "backup restore", [.one("PROJECT")],
        options: [
            OptionDescription("backup", .text("BACKUP"), "which backup; default latest"),
            OptionDescription("path", .text("PATH"), "only this path of it"),
            OptionDescription("to", .text("PATH"), "where the path goes; default where it was"),
            OptionDescription(
                "overwrite", .choice(Overwrite.allCases.map(\.rawValue)),
                "what happens to something that is there; default never"),
            OptionDescription("dry-run", "only say what would be made, changed and removed"),
            OptionDescription("partial", "leave out what cannot be read, rather than fail"),
            OptionDescription("from-nothing", "build on nothing that the host has"),
        ],
        summary: "Put a project, or a path of it, back to what a backup holds",
        details: """
            Without --path the whole volume is exchanged for what the backup holds; a running
            project is only stopped for that after a yes, or with --yes. Only what differs from
            what the host has is fetched and written. Exit code 3: --partial left something out.
            """,
        examples: [
            "berth backup restore notes --path src/a.txt --to src/a.old.txt",
            "berth backup restore notes --backup 3vqjhp41 --dry-run",
            "berth backup restore notes --backup 3vqjhp41 --yes",
        ]
    ) { invocation in
        let options = invocation.options
        let path = try options.path("path")
        try check(options, path: path)
        let backup = try options.text("backup") ?? "latest"
        let project = try await invocation.project(0)
        let name = HarmlessText.text(project.name)
        let request = RestoreRequest(
            backup: backup, path: path, destination: try options.path("to"),
            overwrite: try options.choice("overwrite", default: .never),
            isFromNothing: options.has("from-nothing") ? true : nil,
            isPartial: options.has("partial") ? true : nil,
            isDryRun: options.has("dry-run") ? true : nil)
        let route = ["projects", project.id.description, "restore"]
        if request.isDryRun ?? false {
            let plan = try await invocation.change(
                "POST", route, body: request, as: RestorePlan.self)
            try await show(plan, name, invocation)
            return .done
        }
        if path == nil, project.runtimeState == .running {
            try await Confirmation(invocation: invocation).agree(
                to: "\"\(name)\" is running and will be stopped to put all of it back. Restore it?")
        }
        let what = path.map { HarmlessText.name($0.bytes) + " of \"\(name)\"" } ?? "\"\(name)\""
        return try await invocation.perform("POST", route, body: request) { operation in
            ending(operation, "restored \(what) from \(HarmlessText.text(backup))")
        }
    }

    private static func check(
        _ options: OptionValues, path: ProjectPath?
    ) throws(CommandFailure) {
        guard path == nil else {
            let whole = ["dry-run", "partial", "from-nothing"].first { options.has($0) }
            guard let whole else { return }
            throw .usage(
                "--\(whole) is for a whole project, not for --path",
                hint: "berth help backup restore")
        }
        if options.has("to") {
            throw .usage("--to needs --path", hint: "berth help backup restore")
        }
    }

    private static func ending(_ operation: OperationDescription, _ what: String) -> Ending {
        // A path's restore and other versions have another form of result, told in fewer words.
        let receipt = operation.result.flatMap {
            try? JSON.decode(RestoreReceipt.self, from: $0["receipt"] ?? $0)
        }
        guard let receipt else { return .took(what, operation) }
        let built =
            switch receipt.origin {
            case .base: " on what was there"
            case .staged: " on what had been prepared"
            case .nothing, nil: ""
            }
        return Ending(
            "✔ \(what)\(Ending.time(of: operation))\(built): "
                + "\(Quantity.count(receipt.files, "file")), \(Quantity.bytes(receipt.bytes)) written",
            omissions: (receipt.missing ?? []).map(HarmlessText.text))
    }

    private static func show(
        _ plan: RestorePlan, _ name: String, _ invocation: Invocation
    ) async throws {
        var lines: [String] = []
        for entry in plan.entries {
            let sign =
                switch entry.change {
                case .make: "+"
                case .change: "~"
                case .remove: "-"
                }
            lines.append("\(sign) \(HarmlessText.text(entry.path))")
        }
        let all = plan.made + plan.changed + plan.removed
        if plan.former != nil, all > Int64(plan.entries.count) {
            lines.append("… and \(all - Int64(plan.entries.count)) more")
        }
        let origin = plan.former.map { "on backup \($0), which the host has" } ?? "from nothing"
        lines.append(
            "would restore \"\(name)\" \(origin): \(plan.made) made, \(plan.changed) changed, "
                + "\(plan.removed) removed, \(Quantity.bytes(plan.fetchedBytes)) fetched")
        try await invocation.publisher.one(
            plan, schema: "restore.plan/1", id: "", text: lines.joined(separator: "\n") + "\n")
    }
}
