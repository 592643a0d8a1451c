import Shared

/// Schedules for people.
struct ScheduleText: Sendable {
    let now: Timestamp

    func table(_ schedules: [ScheduleDescription]) -> Table {
        var table = Table(columns: [
            .text("SCHEDULE"), .text("DOES"), .text("OF", droppedAt: 3), .text("WHEN"),
            .text("NEXT"), .text("LAST", droppedAt: 2), .text("ENDED", droppedAt: 4),
        ])
        table.rows = schedules.map { schedule in
            [
                HarmlessText.text(schedule.name), schedule.definition.work.verb.rawValue,
                Self.projects(schedule), Self.cadence(schedule.definition.cadence),
                schedule.nextDue.map(\.description) ?? "paused",
                schedule.lastFiredAt.map(\.description) ?? "never",
                schedule.lastProblem == nil ? schedule.lastState?.rawValue ?? "–" : "▲ not begun",
            ]
        }
        return table
    }

    func details(_ schedule: ScheduleDescription) -> String {
        let work = schedule.definition.work
        var facts = Facts()
        facts.add("schedule", HarmlessText.text(schedule.name))
        facts.add("id", schedule.id.description)
        facts.add("does", work.verb.rawValue)
        facts.add("of", Self.projects(schedule))
        facts.add("when", Self.cadence(schedule.definition.cadence))
        facts.add("next", schedule.nextDue.map(\.description) ?? "paused")
        facts.add("last", schedule.lastFiredAt.map(\.description) ?? "never")
        facts.add("last operation", schedule.lastOperation?.description)
        facts.add("last state", schedule.lastState?.rawValue)
        facts.add("not begun", schedule.lastProblem.map(HarmlessText.text))
        facts.add("missed", schedule.missed > 0 ? Quantity.count(schedule.missed) : nil)
        facts.add("at once", work.maxParallel.map(String.init))
        facts.add("reads", work.reading?.rawValue)
        // A document that was decoded can be encoded.
        facts.add("keeps", work.policy.flatMap { try? JSON.text($0) })
        return facts.text
    }

    private static func projects(_ schedule: ScheduleDescription) -> String {
        if let project = schedule.definition.project {
            return HarmlessText.text(schedule.projectName ?? project.description)
        }
        let words = schedule.definition.filter?.words ?? []
        return words.isEmpty ? "all" : HarmlessText.text(words.joined(separator: " "))
    }

    /// `every 6h`, `daily 02:30 + up to 10m`.
    static func cadence(_ cadence: Cadence) -> String {
        var text: String
        if cadence.everySeconds == 86_400 {
            let minute = cadence.offsetSeconds / 60
            func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
            text = "daily \(two(minute / 60)):\(two(minute % 60))"
        } else {
            text = "every \(span(cadence.everySeconds))"
            if cadence.offsetSeconds > 0 { text += " + \(span(cadence.offsetSeconds))" }
        }
        if cadence.jitterSeconds > 0 { text += " + up to \(span(cadence.jitterSeconds))" }
        return text
    }

    /// In the largest unit that divides it.
    private static func span(_ seconds: Int64) -> String {
        for (size, unit) in [(Int64(86_400), "d"), (3600, "h"), (60, "m")]
        where seconds % size == 0 {
            return "\(seconds / size)\(unit)"
        }
        return "\(seconds)s"
    }
}
