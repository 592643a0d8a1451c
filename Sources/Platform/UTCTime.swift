import Glibc

/// An instant of the wall clock with milliseconds; its description is RFC 3339 in UTC, such as
/// `2026-02-03T04:05:06.789Z`.
public struct UTCTime: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// Milliseconds since 1970-01-01T00:00:00Z, without leap seconds.
    public let millisecondsSinceEpoch: Int64

    /// The instant so many milliseconds after 1970 began.
    public init(millisecondsSinceEpoch: Int64) {
        self.millisecondsSinceEpoch = millisecondsSinceEpoch
    }

    /// The system's real-time clock (clock_gettime(2), CLOCK_REALTIME).
    public static func now() -> UTCTime {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        let milliseconds = Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
        return UTCTime(millisecondsSinceEpoch: milliseconds)
    }

    /// Earlier is less.
    public static func < (one: UTCTime, other: UTCTime) -> Bool {
        one.millisecondsSinceEpoch < other.millisecondsSinceEpoch
    }

    /// RFC 3339 with milliseconds and `Z`.
    public var description: String {
        let day = millisecondsSinceEpoch.flooredQuotient(86_400_000)
        let rest = millisecondsSinceEpoch - day * 86_400_000
        let (year, month, dayOfMonth) = Self.civil(fromDays: day)
        let date = "\(pad(year, 4))-\(pad(month, 2))-\(pad(dayOfMonth, 2))"
        let hours = rest / 3_600_000
        let minutes = rest / 60000 % 60
        let seconds = rest / 1000 % 60
        let time = "\(pad(hours, 2)):\(pad(minutes, 2)):\(pad(seconds, 2)).\(pad(rest % 1000, 3))"
        return date + "T" + time + "Z"
    }

    /// The date of a day number (Howard Hinnant, "chrono-compatible low-level date algorithms",
    /// civil_from_days): years begin in March, eras last 400 years.
    private static func civil(fromDays days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let era = shifted.flooredQuotient(146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }

    private func pad(_ number: Int64, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }
}

extension Int64 {
    fileprivate func flooredQuotient(_ divisor: Int64) -> Int64 {
        (self - (self % divisor + divisor) % divisor) / divisor
    }
}
