/// An instant of a file: seconds and nanoseconds since 1970, before it too, within the years 0 to
/// 9999 that RFC 3339 can write; restic clamps times outside of them, and so does this.
public struct NodeTime: Hashable, Sendable, Comparable {
    /// Seconds since 1970-01-01T00:00:00Z, rounded towards the past.
    public let seconds: Int64
    /// Nanoseconds after `seconds`, 0 to 999,999,999.
    public let nanoseconds: Int32

    private static let leastSeconds: Int64 = -62_167_219_200
    private static let greatestSeconds: Int64 = 253_402_300_799

    /// - Parameters:
    ///   - seconds: since 1970; clamped to the years 0 to 9999.
    ///   - nanoseconds: clamped to 0 to 999,999,999.
    public init(seconds: Int64, nanoseconds: Int32 = 0) {
        if seconds < NodeTime.leastSeconds {
            (self.seconds, self.nanoseconds) = (NodeTime.leastSeconds, 0)
        } else if seconds > NodeTime.greatestSeconds {
            (self.seconds, self.nanoseconds) = (NodeTime.greatestSeconds, 999_999_999)
        } else {
            self.seconds = seconds
            self.nanoseconds = max(0, min(nanoseconds, 999_999_999))
        }
    }

    /// The instant that RFC 3339 text names, with any zone and up to nine digits of a second, or
    /// nil where it is not that.
    init?(rfc3339 text: [UInt8]) {
        // 2006-01-02T15:04:05 is 19 bytes; a fraction and a zone follow.
        guard text.count >= 20, text[4] == UInt8(ascii: "-"), text[7] == UInt8(ascii: "-"),
            text[10] == UInt8(ascii: "T"), text[13] == UInt8(ascii: ":"),
            text[16] == UInt8(ascii: ":"),
            let year = NodeTime.number(text[0..<4]), let month = NodeTime.number(text[5..<7]),
            let day = NodeTime.number(text[8..<10]), let hour = NodeTime.number(text[11..<13]),
            let minute = NodeTime.number(text[14..<16]),
            let second = NodeTime.number(text[17..<19]),
            1...12 ~= month, 1...31 ~= day, hour < 24, minute < 60, second < 60
        else { return nil }
        var rest = text[19...]
        var nanoseconds: Int64 = 0
        if rest.first == UInt8(ascii: ".") {
            let digits = rest.dropFirst().prefix { 48...57 ~= $0 }
            guard 1...9 ~= digits.count, let fraction = NodeTime.number(digits) else { return nil }
            nanoseconds = (digits.count..<9).reduce(fraction) { value, _ in value * 10 }
            rest = rest.dropFirst(1 + digits.count)
        }
        guard let offset = NodeTime.zoneOffset(rest) else { return nil }
        let days = NodeTime.days(year: year, month: month, day: day)
        let local = days * 86_400 + hour * 3_600 + minute * 60 + second
        self.init(seconds: local - offset, nanoseconds: Int32(nanoseconds))
    }

    /// The earlier one first.
    public static func < (left: NodeTime, right: NodeTime) -> Bool {
        (left.seconds, left.nanoseconds) < (right.seconds, right.nanoseconds)
    }

    /// Appends it as Go writes a time in UTC (`time.RFC3339Nano`): trailing zeros of the fraction
    /// cut off, with quotes.
    func append(to json: inout [UInt8]) {
        var days = seconds / 86_400
        var rest = seconds % 86_400
        if rest < 0 {
            days -= 1
            rest += 86_400
        }
        let (year, month, day) = NodeTime.date(days: days)
        json.append(UInt8(ascii: "\""))
        GoJSON.append(UInt64(year), digits: 4, to: &json)
        json.append(UInt8(ascii: "-"))
        GoJSON.append(UInt64(month), digits: 2, to: &json)
        json.append(UInt8(ascii: "-"))
        GoJSON.append(UInt64(day), digits: 2, to: &json)
        json.append(UInt8(ascii: "T"))
        GoJSON.append(UInt64(rest / 3_600), digits: 2, to: &json)
        json.append(UInt8(ascii: ":"))
        GoJSON.append(UInt64(rest / 60 % 60), digits: 2, to: &json)
        json.append(UInt8(ascii: ":"))
        GoJSON.append(UInt64(rest % 60), digits: 2, to: &json)
        if nanoseconds > 0 {
            json.append(UInt8(ascii: "."))
            GoJSON.append(UInt64(nanoseconds), digits: 9, to: &json)
            while json.last == UInt8(ascii: "0") { json.removeLast() }
        }
        GoJSON.append("Z\"", to: &json)
    }

    private static func number(_ digits: ArraySlice<UInt8>) -> Int64? {
        var value: Int64 = 0
        for byte in digits {
            guard 48...57 ~= byte else { return nil }
            value = value * 10 + Int64(byte - 48)
        }
        return value
    }

    private static func zoneOffset(_ zone: ArraySlice<UInt8>) -> Int64? {
        if zone.elementsEqual([UInt8(ascii: "Z")]) { return 0 }
        let text = [UInt8](zone)
        guard text.count == 6, text[3] == UInt8(ascii: ":"),
            text[0] == UInt8(ascii: "+") || text[0] == UInt8(ascii: "-"),
            let hours = number(text[1..<3]), let minutes = number(text[4..<6])
        else { return nil }
        let offset = hours * 3_600 + minutes * 60
        return text[0] == UInt8(ascii: "-") ? -offset : offset
    }

    // Days since 1970-01-01 in the proleptic Gregorian calendar; an era is 400 years (146,097
    // days), and the year is counted from March so that the leap day is its last.
    private static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    private static func date(days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra =
            (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }
}
