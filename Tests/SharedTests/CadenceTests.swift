import Shared
import Testing

@Suite("A cadence")
struct CadenceTests {
    private static func time(_ text: String) throws -> Timestamp {
        try #require(Timestamp(text))
    }

    @Test(
        "names the next slot, in UTC",
        arguments: [
            ("2026-11-28T00:00:00Z", 3600, 0, "2026-11-28T01:00:00Z"),
            ("2026-11-28T00:59:59.999Z", 3600, 0, "2026-11-28T01:00:00Z"),
            ("2026-11-28T00:00:00Z", 3600, 600, "2026-11-28T00:10:00Z"),
            ("2026-11-28T00:10:00Z", 3600, 600, "2026-11-28T01:10:00Z"),
            ("1969-12-31T23:30:00Z", 3600, 0, "1970-01-01T00:00:00Z"),
        ] as [(String, Int64, Int64, String)])
    func slots(after: String, every: Int64, offset: Int64, next: String) throws {
        let cadence = Cadence(everySeconds: every, offsetSeconds: offset)
        #expect(cadence.slot(after: try Self.time(after)) == (try Self.time(next)))
    }

    @Test("daily is at its minute, also over a month's end")
    func daily() throws {
        let cadence = try #require(Cadence(dailyAt: "02:30"))
        #expect(
            cadence.slot(after: try Self.time("2026-11-30T02:30:00Z"))
                == (try Self.time("2026-12-01T02:30:00Z")))
        #expect(
            cadence.slot(after: try Self.time("2026-11-30T02:29:59Z"))
                == (try Self.time("2026-11-30T02:30:00Z")))
        for wrong in ["24:00", "2:30", "02:60", "0230", "02:30:00", "-1:30", "aa:bb"] {
            #expect(Cadence(dailyAt: wrong) == nil, "\(wrong)")
        }
    }

    @Test("counts the slots that passed, each once")
    func counts() throws {
        let cadence = Cadence(everySeconds: 60, offsetSeconds: 7)
        var slot = Timestamp(milliseconds: -1_000_000)
        let first = cadence.slot(after: slot)
        slot = first
        for count in 0..<500 {
            #expect(cadence.slots(after: first, through: slot) == Int64(count))
            let next = cadence.slot(after: slot)
            #expect(next.milliseconds - slot.milliseconds == 60_000)
            slot = next
        }
    }

    @Test("jitter stays behind its slot and below its bound, and differs between schedules")
    func jitter() {
        let cadence = Cadence(everySeconds: 3600, jitterSeconds: 600)
        var seen: Set<Int64> = []
        for seed in 0..<200 as Range<UInt64> {
            let slot = Timestamp(milliseconds: 3_600_000)
            let due = cadence.due(slot, seed: seed)
            #expect((0..<600_000).contains(due.milliseconds - slot.milliseconds))
            #expect(due == cadence.due(slot, seed: seed))
            seen.insert(due.milliseconds)
        }
        #expect(seen.count > 150)
    }

    @Test(
        "out of bounds is refused",
        arguments: [(59, 0, 0), (3600, 3600, 0), (3600, -1, 0), (3600, 0, 3600)]
            as [(Int64, Int64, Int64)])
    func bounds(every: Int64, offset: Int64, jitter: Int64) {
        let cadence = Cadence(
            everySeconds: every, offsetSeconds: offset, jitterSeconds: jitter)
        #expect(cadence.objection != nil)
    }

    @Test("a filter's words are read as they are written")
    func filter() throws {
        let words = [
            "host=h1", "owner=anna", "prefix=web-", "search=x", "provisioned=true",
            "freshness=dirty", "running", "backup=never",
        ]
        #expect(ProjectFilter(words: words)?.words == words)
        for wrong in ["host", "freshness=old", "running=no", "backup=old", "color=red"] {
            #expect(ProjectFilter(words: [wrong]) == nil, "\(wrong)")
        }
    }
}
