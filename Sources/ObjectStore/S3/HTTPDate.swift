import Platform

/// The instant of a `Date` header, such as `Fri, 24 May 2013 00:00:00 GMT` (RFC 9110 section
/// 5.6.7, the form that everybody sends).
enum HTTPDate {
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// Nil when the text is no such date.
    static func parse(_ text: String) -> UTCTime? {
        let words = text.split { $0 == " " || $0 == "," || $0 == ":" }
        guard words.count == 8, words[7] == "GMT", let day = Int64(words[1]),
            let month = months.firstIndex(of: String(words[2])), let year = Int64(words[3]),
            let hour = Int64(words[4]), let minute = Int64(words[5]), let second = Int64(words[6]),
            (1...31).contains(day), (1970...9999).contains(year), (0..<24).contains(hour),
            (0..<60).contains(minute), (0...60).contains(second)
        else { return nil }
        let days = days(year: year, month: Int64(month + 1), day: day)
        let seconds = days * 86400 + hour * 3600 + minute * 60 + second
        return UTCTime(millisecondsSinceEpoch: seconds * 1000)
    }

    /// Days since 1970 (Howard Hinnant, "chrono-compatible low-level date algorithms",
    /// days_from_civil); years from 1 on.
    private static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }
}
