import Testing

@testable import Shared

@Suite("Retention")
struct RetentionTests {
    private static let hour: Int64 = 3_600_000
    private static let start: Int64 = 1_767_225_600_000  // 2026-01-01T00:00:00Z

    private static func backup(
        _ number: Int, at milliseconds: Int64, bytes: Int64 = 10, tags: [String] = [],
        pins: [String] = []
    ) -> RetainedBackup {
        RetainedBackup(
            id: BackupID(milliseconds: milliseconds, random: (0, UInt64(number))),
            takenAt: Timestamp(milliseconds: milliseconds), storedBytes: bytes, tags: tags,
            pins: pins)
    }

    @Test("120 days of hourly backups fill every bucket of time, day by day, and keep the newest")
    func simulation() throws {
        var policy = RetentionPolicy()
        (policy.last, policy.hourly, policy.daily) = (3, 24, 7)
        (policy.weekly, policy.monthly, policy.yearly) = (8, 4, 2)
        var present: [RetainedBackup] = []
        var number = 0
        for hour in 0..<(120 * 24) {
            let time = Self.start + Int64(hour) * Self.hour
            number += 1
            present.append(Self.backup(number, at: time))
            guard hour % 5 == 0 else { continue }
            let decisions = policy.decide(present, now: Timestamp(milliseconds: time))
            let kept = Set(decisions.filter(\.isKept).map(\.backup))
            #expect(kept.contains(present[present.count - 1].id))
            present = present.filter { kept.contains($0.id) }
        }
        let end = Self.start + Int64(120 * 24 - 1) * Self.hour
        let ages = present.map { (end - $0.takenAt.milliseconds) / Self.hour }
        for age in 0..<20 { #expect(ages.contains { $0 == Int64(age) }, "hour \(age)") }
        // Within the range of each rule there is a backup in every bucket.
        for day in 0..<7 {
            #expect(ages.contains { ($0 + 0) / 24 == Int64(day) }, "day \(day): \(ages)")
        }
        for week in 0..<7 {
            #expect(
                ages.contains { $0 >= Int64(week) * 168 && $0 < Int64(week + 1) * 168 },
                "week \(week): \(ages)")
        }
        let months = Set(present.map { String($0.takenAt.description.prefix(7)) })
        #expect(months == ["2026-01", "2026-02", "2026-03", "2026-04"])
        #expect(present.count < 60)
    }

    @Test("The newest and pinned backups stay whatever the policy says")
    func strong() {
        var policy = RetentionPolicy()
        (policy.last, policy.maximumBytes, policy.maximumAgeSeconds) = (0, 0, 0)
        let backups = (0..<6).map { number in
            Self.backup(
                number, at: Self.start + Int64(number) * Self.hour,
                pins: number == 2 ? ["base"] : [])
        }
        let decisions = policy.decide(
            backups, now: Timestamp(milliseconds: Self.start + 1000 * Self.hour))
        #expect(decisions.map(\.isKept) == [true, false, false, true, false, false])
        #expect(decisions[0].reasons == ["newest"])
        #expect(decisions[3].reasons == ["pinned: base"])
    }

    @Test("Each rule keeps what it says")
    func rules() {
        // Newest first: 0 h, 1 h, 2 h … 99 h ago.
        let now = Self.start + 99 * Self.hour
        let backups = (0..<100).map { age in
            Self.backup(
                age, at: now - Int64(age) * Self.hour, tags: age % 10 == 0 ? ["ten"] : [])
        }
        func kept(_ set: (inout RetentionPolicy) -> Void) -> [Int] {
            var policy = RetentionPolicy()
            set(&policy)
            return policy.decide(backups, now: Timestamp(milliseconds: now)).enumerated()
                .filter { $0.element.isKept }.map(\.offset)
        }
        #expect(kept { $0.last = 4 } == [0, 1, 2, 3])
        #expect(kept { $0.hourly = 3 } == [0, 1, 2])
        // 99 h after midnight of the first day it is three o'clock on the fifth.
        #expect(kept { $0.daily = 3 } == [0, 4, 28])
        #expect(kept { $0.withinSeconds = 2 * 3600 } == [0, 1, 2])
        #expect(kept { $0.keepTags = ["ten"] } == Array(stride(from: 0, to: 100, by: 10)))
        #expect(kept { $0.maximumAgeSeconds = 3 * 3600 } == [0, 1, 2, 3])
        #expect(kept { $0.maximumBytes = 50 } == [0, 1, 2, 3, 4])
        #expect(kept { ($0.last, $0.maximumBytes) = (20, 30) } == [0, 1, 2])
        let others = kept { ($0.last, $0.onlyTags) = (2, ["ten"]) }
        #expect(others.filter { $0 % 10 == 0 } == [0, 10])
        #expect(others.count == 92)
        // 2026-01-01 was a Thursday: the fifth is a Monday.
        #expect(kept { $0.weekly = 5 } == [0, 4])
    }

    @Test("A backup that claims to be from the future keeps nothing else from being kept")
    func future() {
        var policy = RetentionPolicy()
        policy.last = 1
        let backups = [
            Self.backup(1, at: Self.start + 500 * Self.hour), Self.backup(2, at: Self.start),
            Self.backup(3, at: Self.start - Self.hour),
        ]
        let decisions = policy.decide(backups, now: Timestamp(milliseconds: Self.start + 1))
        #expect(decisions.map(\.isKept) == [true, true, false])
    }

    @Test("A policy that says nothing, or nonsense, is objected to")
    func objections() {
        var policy = RetentionPolicy()
        #expect(policy.objection != nil)
        policy.onlyTags = ["x"]
        #expect(policy.objection != nil)
        policy.last = -1
        #expect(policy.objection != nil)
        policy.last = 3
        #expect(policy.objection == nil)
        policy.maximumBytes = -1
        #expect(policy.objection != nil)
    }
}
