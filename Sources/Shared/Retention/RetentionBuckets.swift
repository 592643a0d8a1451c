/// Which buckets of time are filled already, while the backups are gone through from the newest on.
struct RetentionBuckets {
    private let policy: RetentionPolicy
    private var lastLeft: Int
    private var periods: [Period]

    /// One of the rules that keep the newest backup of each hour, day and so on.
    private struct Period {
        let name: String
        var left: Int
        let number: @Sendable (Int64) -> Int64
        var filled: Int64?
    }

    init(_ policy: RetentionPolicy) {
        self.policy = policy
        lastLeft = policy.last ?? 0
        periods = [
            Period(name: "hourly", left: policy.hourly ?? 0) { $0.dividingFloor(by: 3600) },
            Period(name: "daily", left: policy.daily ?? 0) { $0.dividingFloor(by: 86_400) },
            // Day 0 was a Thursday.
            Period(name: "weekly", left: policy.weekly ?? 0) {
                ($0.dividingFloor(by: 86_400) + 3).dividingFloor(by: 7)
            },
            Period(name: "monthly", left: policy.monthly ?? 0) {
                let date = Timestamp.civil(days: $0.dividingFloor(by: 86_400))
                return date.year * 12 + date.month
            },
            Period(name: "yearly", left: policy.yearly ?? 0) {
                Timestamp.civil(days: $0.dividingFloor(by: 86_400)).year
            },
        ]
    }

    /// Why the rules keep a backup; none is newer than those asked about before.
    mutating func reasons(
        for backup: RetainedBackup, newest: RetainedBackup?, now: Timestamp
    ) -> [String] {
        guard policy.matches(backup) else { return ["the policy is about other tags"] }
        guard backup.takenAt <= now else { return ["later than now"] }
        var reasons: [String] = []
        if lastLeft > 0 {
            lastLeft -= 1
            reasons.append("last")
        }
        let seconds = backup.takenAt.milliseconds.dividingFloor(by: 1000)
        for index in periods.indices where periods[index].left > 0 {
            let number = periods[index].number(seconds)
            guard periods[index].filled != number else { continue }
            periods[index].filled = number
            periods[index].left -= 1
            reasons.append(periods[index].name)
        }
        if let within = policy.withinSeconds, let newest,
            backup.takenAt.milliseconds >= newest.takenAt.milliseconds - within * 1000
        {
            reasons.append("within")
        }
        let tags = (policy.keepTags ?? []).filter(backup.tags.contains)
        return reasons + tags.map { "tag \($0)" }
    }
}
