import Shared

/// `batch …`: the same work on many projects.
enum BatchCommands {
    static let all = [create, list, show, cancel]

    /// What is done, for `batch create` and `schedule create`.
    static let workOptions: [OptionDescription] =
        [
            OptionDescription(
                "filter", .text("WORDS"), isRepeatable: true,
                "only projects that meet all of: host=H owner=O prefix=P search=S provisioned=true|"
                    + "false|unknown running freshness=fresh|dirty|unknown backup=never"),
            OptionDescription(
                "max-parallel", .text("N"), "so many projects at once, 1 to 64; default 4"),
            OptionDescription("tries", .text("N"), "how often each is tried; default 3"),
            OptionDescription(
                "read", .choice(CheckRequest.Reading.allCases.map(\.rawValue)),
                "of check: how much of the stored data is read; default none"),
        ] + ForgetOptions.descriptions.filter { $0.name != "dry-run" }

    static let verbs = BatchVerb.allCases.map(\.rawValue).joined(separator: ", ")

    private static let create = CommandDescription(
        "batch create", aliases: ["new"], [.one("VERB")],
        options: workOptions + [
            OptionDescription("all", "of all projects, where no filter says which"),
            OptionDescription("max", .text("N"), "at most so many projects"),
        ],
        summary: "Do the same with many projects: \(verbs)",
        details: """
            One that fails hides no other; exit code 8 when one was given up. berth operation items
            says how each stands.
            """,
        examples: [
            "berth batch create backup --filter freshness=dirty --max 500",
            "berth batch create check --all --read sample --max-parallel 2",
        ]
    ) { invocation in
        let request = BatchRequest(
            work: try work(invocation), filter: try filter(invocation),
            limit: try invocation.options.number("max", 1...100_000))
        let verb = request.work.verb.rawValue
        return try await invocation.perform("POST", ["batches"], body: request) { operation in
            .took("\(verb) \(text(of: operation))", operation)
        }
    }

    /// `1,204 projects done, 3 skipped`.
    private static func text(of operation: OperationDescription) -> String {
        // A result of another form says nothing more than that it is done.
        guard let document = operation.result,
            let result = try? JSON.decode(GroupResult.self, from: document)
        else { return "done" }
        let skipped =
            result.counts.skipped > 0 ? ", \(Quantity.count(result.counts.skipped)) skipped" : ""
        return "of \(Quantity.count(result.counts.done, "project")) done\(skipped)"
    }

    /// What the words and options say is to be done.
    static func work(
        _ invocation: Invocation, verb word: Int = 0
    ) throws(CommandFailure) -> BatchWorkRequest {
        let text = try invocation.word(word)
        guard let verb = BatchVerb(rawValue: text) else {
            throw .usage("\"\(HarmlessText.text(text))\" cannot be done", hint: "one of \(verbs)")
        }
        let reading = try invocation.options.text("read")
        return BatchWorkRequest(
            verb: verb, reading: reading.flatMap { CheckRequest.Reading(rawValue: $0) },
            policy: try ForgetOptions(invocation.options).policy,
            maxParallel: try invocation.options.number("max-parallel", 1...64),
            tries: try invocation.options.number("tries", 1...100))
    }

    /// Which projects; all of them only when that is said.
    static func filter(_ invocation: Invocation) throws(CommandFailure) -> ProjectFilter {
        var words: [String] = []
        for word in invocation.options.words("filter") {
            guard let text = word.text else {
                throw .usage("the value of --filter is not UTF-8: \(word.shown)")
            }
            words += text.split(separator: " ").map(String.init)
        }
        guard !words.isEmpty || invocation.options.has("all") else {
            throw .usage("say which projects", hint: "--filter WORDS, or --all")
        }
        guard let filter = ProjectFilter(words: words) else {
            throw .usage(
                "--filter cannot be \"\(HarmlessText.text(words.joined(separator: " ")))\"",
                hint: "as in --filter \"host=h1 freshness=dirty\"")
        }
        return filter
    }

    private static let list = CommandDescription(
        "batch list", aliases: ["ls"], summary: "Batches, the newest first",
        examples: ["berth batch list"]
    ) { invocation in
        let page = try await invocation.list(["batches"], of: OperationDescription.self)
        let text = OperationText(now: invocation.now())
        try await invocation.publisher.list(
            page, item: "operation/1", none: "no batches", id: { $0.id.description },
            table: text.table)
        return .done
    }

    private static let show = CommandDescription(
        "batch show", aliases: ["get"], [.one("OPERATION")],
        summary: "A batch or drain, and how its projects stand",
        examples: ["berth batch show 3vqjhp41"]
    ) { invocation in
        let batch = try await invocation.hub().send(
            .get(["batches", try invocation.word(0)]), as: BatchDescription.self)
        let counts = batch.counts
        let text =
            "projects: \(Quantity.count(counts.total)), of them \(counts.done) done, "
            + "\(counts.deferred) to be cleaned up, \(counts.running) at work, "
            + "\(counts.pending) to come, \(counts.blocked) blocked, \(counts.skipped) skipped, "
            + "\(counts.failed) given up\n"
        try await invocation.publisher.one(
            batch, schema: "batch/1", id: batch.operation.id.description,
            text: OperationText(now: invocation.now()).details(batch.operation) + text)
        return .done
    }

    private static let cancel = CommandDescription(
        "batch cancel", [.one("OPERATION")],
        summary: "Ask a batch to stop, and what is at work for it",
        details: "What is done stays done.", examples: ["berth batch cancel 3vqjhp41"],
        run: { try await CancelOperation(invocation: $0).run() })
}
