import Shared

/// `backup check`, `backup forget`, `backup prune` and `backup repair`.
enum MaintenanceCommands {
    static let all = [check, forget, prune, RepairCommand.repair, RekeyCommand.rekey]

    private static let check = CommandDescription(
        "backup check", aliases: ["verify"], [.one("PROJECT")],
        options: [
            OptionDescription(
                "read", .choice(CheckRequest.Reading.allCases.map(\.rawValue)),
                "how much of the stored data is read; default sample")
        ],
        summary: "Check a project's repository",
        details: """
            Without reading: presence and length of every pack, all directories, all references.
            A sample reads a twentieth as well, what was read longest ago first; all reads
            everything and, when it is interrupted, goes on where it was. Exit code 1 names what
            is wrong.
            """,
        examples: ["berth backup check notes", "berth backup check notes --read all"]
    ) { invocation in
        let project = try invocation.word(0)
        let reading = try invocation.options.choice(
            "read", default: CheckRequest.Reading.sample)
        return try await invocation.perform(
            "POST", ["projects", project, "check"], body: CheckRequest(reading: reading)
        ) { operation in
            let name = HarmlessText.text(operation.scopeName ?? project)
            // Another form of result than this version knows is told in fewer words.
            let result = operation.result.flatMap { try? JSON.decode(CheckResult.self, from: $0) }
            guard let result else { return .took("checked \"\(name)\"", operation) }
            return Ending(
                "✔ \"\(name)\" is sound\(Ending.time(of: operation)): "
                    + "\(Quantity.count(Int64(result.snapshots), "backup")), "
                    + "\(Quantity.count(Int64(result.packs), "pack")), "
                    + "\(Quantity.bytes(result.bytesRead)) of "
                    + "\(Quantity.bytes(result.bytes)) read")
        }
    }

    private static let forget = CommandDescription(
        "backup forget", [.one("PROJECT"), .optional("BACKUP")],
        options: ForgetOptions.descriptions,
        summary: "Forget a backup, or those that a policy does not keep",
        details: """
            The newest backup and pinned ones are never forgotten by a policy; a pinned one that is
            named is refused. Space is freed by berth backup prune.
            """,
        examples: [
            "berth backup forget notes --keep-last 5 --keep-daily 14 --keep-weekly 8 --dry-run",
            "berth backup forget notes 3vqjhp41",
        ]
    ) { invocation in
        let project = try invocation.word(0)
        let isDryRun = invocation.options.has("dry-run")
        var request = ForgetRequest(policy: try ForgetOptions(invocation.options).policy)
        if invocation.operands.count > 1 { request.backups = [try invocation.word(1)] }
        guard request.policy != nil || request.backups != nil else {
            throw CommandFailure.usage(
                "name a backup, or say what is kept", hint: "berth help backup forget")
        }
        let path = ["projects", project, "forget"]
        if isDryRun {
            request.isDryRun = true
            let plan = try await invocation.change(
                "POST", path, body: request, as: ForgetPlan.self)
            try await show(plan, invocation)
            return .done
        }
        return try await invocation.perform("POST", path, body: request) { operation in
            let name = HarmlessText.text(operation.scopeName ?? project)
            // Another form of result than this version knows is told in fewer words.
            let result = operation.result.flatMap { try? JSON.decode(ForgetResult.self, from: $0) }
            guard let result else { return .took("forgot backups of \"\(name)\"", operation) }
            let pinned = result.pinned.isEmpty ? "" : ", \(result.pinned.count) of them pinned"
            return Ending(
                "✔ forgot \(Quantity.count(Int64(result.forgotten.count), "backup")) of "
                    + "\"\(name)\", kept \(result.kept)\(pinned)")
        }
    }

    private static func show(_ plan: ForgetPlan, _ invocation: Invocation) async throws {
        let now = invocation.now()
        let page = Page(schema: "retention.plan/1", items: plan.decisions, nextCursor: nil)
        try await invocation.publisher.list(
            page, item: "retention.decision/1", none: "no backups",
            id: { $0.isKept ? "" : $0.backup.description }
        ) { decisions in
            var table = Table(columns: [
                .identifier("BACKUP"), .text("TAKEN", droppedAt: 2), .number("AGE"),
                .number("STORED", droppedAt: 3), .text("THEN"), .text("WHY"),
            ])
            table.rows = decisions.map { decision in
                [
                    decision.backup.description, decision.takenAt.description,
                    Quantity.age(decision.takenAt, at: now), Quantity.bytes(decision.storedBytes),
                    decision.isKept ? "kept" : "forgotten",
                    decision.reasons.isEmpty
                        ? "–" : decision.reasons.map(HarmlessText.text).joined(separator: ", "),
                ]
            }
            return table
        }
    }

    private static let prune = CommandDescription(
        "backup prune", aliases: ["gc"], [.one("PROJECT")],
        options: [OptionDescription("dry-run", "only say what would be removed")],
        summary: "Remove what no backup needs from a project's repository",
        details: """
            Backups and restores go on meanwhile; the prune waits for those that began before it.
            """,
        examples: ["berth backup prune notes --dry-run", "berth backup prune notes"]
    ) { invocation in
        let project = try invocation.word(0)
        let path = ["projects", project, "prune"]
        if invocation.options.has("dry-run") {
            let plan = try await invocation.change(
                "POST", path, body: PruneRequest(isDryRun: true), as: PruneResult.self)
            try await invocation.publisher.one(
                plan, schema: "prune.plan/1", id: "",
                text: "would free \(Quantity.bytes(plan.reclaimedBytes)) of "
                    + "\(Quantity.bytes(plan.bytes)): "
                    + "\(Quantity.count(Int64(plan.removedPacks), "pack")) would go, "
                    + "\(plan.repackedPacks) of them copied from\n")
            return .done
        }
        return try await invocation.perform("POST", path, body: PruneRequest()) { operation in
            let name = HarmlessText.text(operation.scopeName ?? project)
            // Another form of result than this version knows is told in fewer words.
            let result = operation.result.flatMap { try? JSON.decode(PruneResult.self, from: $0) }
            guard let result else { return .took("pruned \"\(name)\"", operation) }
            return Ending(
                "✔ pruned \"\(name)\"\(Ending.time(of: operation)): "
                    + "\(Quantity.bytes(result.reclaimedBytes)) of "
                    + "\(Quantity.bytes(result.bytes)) freed, "
                    + "\(Quantity.count(Int64(result.removedPacks), "pack")) removed")
        }
    }
}

/// The options of `backup forget` that make a policy.
struct ForgetOptions {
    static let descriptions: [OptionDescription] =
        [
            ("last", "keep so many of the newest"),
            ("hourly", "keep the newest of each of so many hours"),
            ("daily", "keep the newest of each of so many days"),
            ("weekly", "keep the newest of each of so many weeks"),
            ("monthly", "keep the newest of each of so many months"),
            ("yearly", "keep the newest of each of so many years"),
        ].map { OptionDescription("keep-\($0.0)", .text("N"), $0.1) } + [
            OptionDescription(
                "keep-within", .text("TIME"), "keep all that are so much older than the newest"),
            OptionDescription(
                "keep-tag", .text("TAG"), isRepeatable: true, "keep all with this tag"),
            OptionDescription(
                "tag", .text("TAG"), isRepeatable: true, "only look at backups with this tag"),
            OptionDescription(
                "max-age", .text("TIME"), "forget what is older, whatever would keep it"),
            OptionDescription(
                "max-bytes", .text("BYTES"),
                "forget the oldest until the rest has stored no more, whatever would keep them"),
            OptionDescription("dry-run", "only say what would be forgotten"),
        ]

    /// Nil when no option makes one.
    let policy: RetentionPolicy?

    init(_ options: OptionValues) throws(CommandFailure) {
        let bounds = 0...RetentionPolicy.limit
        var policy = RetentionPolicy()
        policy.last = try options.number("keep-last", bounds)
        policy.hourly = try options.number("keep-hourly", bounds)
        policy.daily = try options.number("keep-daily", bounds)
        policy.weekly = try options.number("keep-weekly", bounds)
        policy.monthly = try options.number("keep-monthly", bounds)
        policy.yearly = try options.number("keep-yearly", bounds)
        policy.withinSeconds = try options.span("keep-within")?.components.seconds
        policy.keepTags = try Self.words("keep-tag", options)
        policy.onlyTags = try Self.words("tag", options)
        policy.maximumAgeSeconds = try options.span("max-age")?.components.seconds
        policy.maximumBytes = try options.number("max-bytes", 0...(1 << 53)).map { Int64($0) }
        guard !policy.isEmpty else {
            if policy.onlyTags != nil {
                throw .usage("--tag needs a rule of what is kept", hint: "berth help backup forget")
            }
            self.policy = nil
            return
        }
        self.policy = policy
    }

    private static func words(
        _ name: String, _ options: OptionValues
    ) throws(CommandFailure) -> [String]? {
        var words: [String] = []
        for word in options.words(name) {
            guard let text = word.text else {
                throw .usage("the value of --\(name) is not UTF-8: \(word.shown)")
            }
            words.append(text)
        }
        return words.isEmpty ? nil : words
    }
}
