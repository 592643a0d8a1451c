import Shared
import Testing

@Suite("Timestamp")
struct TimestampTests {
    @Test(
        "known instants are written and read",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_792_591_391_120, "2026-10-21T14:03:11.120Z"),
            (-62_167_219_200_000, "0000-01-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ] as [(Int64, String)])
    func known(milliseconds: Int64, text: String) {
        #expect(Timestamp(milliseconds: milliseconds).description == text)
        #expect(Timestamp(text) == Timestamp(milliseconds: milliseconds))
    }

    @Test(
        "fractions of 1 to 9 digits keep their first 3",
        arguments: [
            ("", 0), (".1", 100), (".12", 120), (".123", 123), (".1239", 123), (".000000001", 0),
            (".999999999", 999),
        ] as [(String, Int64)])
    func fractions(fraction: String, milliseconds: Int64) {
        #expect(
            Timestamp("1970-01-01T00:00:00\(fraction)Z") == Timestamp(milliseconds: milliseconds))
    }

    @Test(
        "what is not RFC 3339 in UTC is refused",
        arguments: [
            "", "2026-11-20", "2026-11-20T14:03:11", "2026-11-20T14:03:11+00:00",
            "2026-11-20 14:03:11Z", "2026-11-20T14:03:11.Z", "2026-11-20T14:03:11.1234567890Z",
            "2026-11-20T24:00:00Z", "2026-11-20T14:60:00Z", "2026-11-20T14:03:61Z",
            "2026-13-20T14:03:11Z", "2026-00-20T14:03:11Z", "2026-11-00T14:03:11Z",
            "2026-02-29T00:00:00Z", "2026-11-31T00:00:00Z", "+026-11-20T14:03:11Z",
            "2026-11-20T14:03:1éZ", "2026-11-20t14:03:11Z", "2026-11-20T14:03:11.12xZ",
        ])
    func refused(text: String) {
        #expect(Timestamp(text) == nil)
    }

    @Test("any instant of ten millennia survives its text and JSON, and sorts as its text does")
    func roundTrip() throws {
        var random = SeededRandom(seed: 11)
        var made: [Timestamp] = []
        for _ in 0..<2000 {
            made.append(
                Timestamp(
                    milliseconds: Int64.random(
                        in: -62_167_219_200_000...253_402_300_799_999, using: &random)))
        }
        for time in made {
            #expect(Timestamp(time.description) == time)
            #expect(try JSON.decode([Timestamp].self, from: try JSON.encode([time])) == [time])
        }
        #expect(made.sorted().map(\.description) == made.map(\.description).sorted())
    }

    @Test("every day of 400 years follows the one before")
    func days() throws {
        var day = try #require(Timestamp("1899-12-31T12:00:00.500Z"))
        for _ in 0..<146_097 {
            let next = Timestamp(milliseconds: day.milliseconds + 86_400_000)
            #expect(next.description > day.description)
            #expect(Timestamp(next.description) == next)
            day = next
        }
        #expect(day.description == "2299-12-31T12:00:00.500Z")
    }
}
