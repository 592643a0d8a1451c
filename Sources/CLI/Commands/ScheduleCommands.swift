import Shared

/// `schedule …`: work that recurs.
enum ScheduleCommands {
    static let all = [create, list, show, set, delete]

    private static let cadenceOptions = [
        OptionDescription("every", .text("TIME"), "recur with this period, such as 6h, 7d"),
        OptionDescription("offset", .text("TIME"), "so long behind the period's multiples in UTC"),
        OptionDescription("daily", .text("HH:MM"), "recur every day at this time in UTC"),
        OptionDescription(
            "jitter", .text("TIME"), "up to so much later, each time and schedule differently"),
    ]

    private static let create = CommandDescription(
        "schedule create", aliases: ["new"], [.one("NAME"), .one("VERB")],
        options: cadenceOptions + BatchCommands.workOptions + [
            OptionDescription("project", .text("PROJECT"), "of one project"),
            OptionDescription("all", "of all projects, where no filter says which"),
            OptionDescription("paused", "do not begin yet"),
        ],
        summary: "Let work recur: \(BatchCommands.verbs)",
        details: """
            Of one project, or of those that a filter finds each time. What was missed while no hub
            ran is made good once; while the last firing's operation lives, none is added.
            """,
        examples: [
            "berth schedule create nightly backup --filter freshness=dirty --daily 02:30",
            "berth schedule create notes-often backup --project notes --every 1h --jitter 10m",
            "berth schedule create prove audit --all --every 7d --jitter 12h",
            "berth schedule create thin forget --all --every 1d --keep-daily 7 --keep-weekly 8",
        ]
    ) { invocation in
        let project = try invocation.options.text("project")
        guard let cadence = try cadence(invocation, from: nil) else {
            throw CommandFailure.usage(
                "say when", hint: "--every TIME, or --daily HH:MM")
        }
        let request = CreateScheduleRequest(
            name: try invocation.word(0), work: try BatchCommands.work(invocation, verb: 1),
            project: project, filter: project == nil ? try BatchCommands.filter(invocation) : nil,
            cadence: cadence, isPaused: invocation.options.has("paused"))
        let schedule = try await invocation.change(
            "POST", ["schedules"], body: request, as: ScheduleDescription.self)
        try await publish(schedule, invocation)
        return .done
    }

    /// Nil when nothing is said of it.
    private static func cadence(
        _ invocation: Invocation, from before: Cadence?
    ) throws(CommandFailure) -> Cadence? {
        let options = invocation.options
        let jitter = try options.span("jitter").map { Int64(TimeSpan.seconds($0)) }
        let offset = try options.span("offset").map { Int64(TimeSpan.seconds($0)) }
        var cadence = before
        if let daily = try options.text("daily") {
            guard !options.has("every"), offset == nil else {
                throw .usage("--daily says when; --every and --offset do not go with it")
            }
            guard let found = Cadence(dailyAt: daily) else {
                throw .usage(
                    "--daily cannot be \"\(HarmlessText.text(daily))\"",
                    hint: "a time in UTC, as in 02:30")
            }
            cadence = found
        } else if let every = try options.span("every") {
            cadence = Cadence(everySeconds: Int64(TimeSpan.seconds(every)))
        }
        guard jitter != nil || offset != nil || options.has("daily") || options.has("every")
        else { return nil }
        if let jitter { cadence?.jitterSeconds = jitter }
        if let offset { cadence?.offsetSeconds = offset }
        return cadence
    }

    private static let list = CommandDescription(
        "schedule list", aliases: ["ls"], summary: "What recurs, and when it does next",
        examples: ["berth schedule list"]
    ) { invocation in
        let page = try await invocation.list(["schedules"], of: ScheduleDescription.self)
        try await invocation.publisher.list(
            page, item: "schedule/1",
            none: "nothing recurs; berth schedule create makes a schedule",
            id: { $0.id.description }, table: ScheduleText(now: invocation.now()).table)
        return .done
    }

    private static let show = CommandDescription(
        "schedule show", aliases: ["get"], [.one("SCHEDULE")],
        summary: "A schedule with its last and next firing",
        examples: ["berth schedule show nightly"]
    ) { invocation in
        try await publish(
            try await invocation.hub().send(
                .get(["schedules", try invocation.word(0)]), as: ScheduleDescription.self),
            invocation)
        return .done
    }

    private static let set = CommandDescription(
        "schedule set", [.one("SCHEDULE")],
        options: cadenceOptions + [
            OptionDescription("pause", "fire no more until it is resumed"),
            OptionDescription("resume", "fire again, from the next time on"),
            OptionDescription(
                "max-parallel", .text("N"), "so many projects at once, 1 to 64"),
            OptionDescription("tries", .text("N"), "how often each project is tried"),
        ],
        summary: "Change a schedule",
        examples: [
            "berth schedule set nightly --pause", "berth schedule set nightly --daily 04:00",
        ]
    ) { invocation in
        let path = ["schedules", try invocation.word(0)]
        let now = try await invocation.hub().send(.get(path), as: ScheduleDescription.self)
        guard !(invocation.options.has("pause") && invocation.options.has("resume")) else {
            throw CommandFailure.usage("--pause and --resume do not go together")
        }
        let isPaused: Bool? =
            invocation.options.has("pause")
            ? true : invocation.options.has("resume") ? false : nil
        let request = SetScheduleRequest(
            cadence: try cadence(invocation, from: now.definition.cadence), isPaused: isPaused,
            maxParallel: try invocation.options.number("max-parallel", 1...64),
            tries: try invocation.options.number("tries", 1...100))
        try await publish(
            try await invocation.change(
                "PATCH", path, body: request, as: ScheduleDescription.self), invocation)
        return .done
    }

    private static let delete = CommandDescription(
        "schedule delete", aliases: ["rm"], [.one("SCHEDULE")],
        summary: "Let it recur no more", details: "What it has made goes on.",
        examples: ["berth schedule delete nightly"]
    ) { invocation in
        let gone = try await invocation.change(
            "DELETE", ["schedules", try invocation.word(0)], as: ScheduleDescription.self)
        try await invocation.publisher.one(
            gone, schema: "schedule/1", id: gone.id.description,
            text: "\(HarmlessText.text(gone.name)) recurs no more\n")
        return .done
    }

    private static func publish(
        _ schedule: ScheduleDescription, _ invocation: Invocation
    ) async throws {
        try await invocation.publisher.one(
            schedule, schema: "schedule/1", id: schedule.id.description,
            text: ScheduleText(now: invocation.now()).details(schedule))
    }
}
