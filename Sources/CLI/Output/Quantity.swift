import Shared

/// Amounts as people read them.
enum Quantity {
    /// `412 B`, `1.4 KiB`, `25.4 GiB`: binary units with three digits at most before the point.
    static func bytes(_ count: Int64) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
        var value = Double(count)
        var unit = 0
        while abs(value) >= 1023.95, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        return unit == 0 ? "\(count) B" : "\(decimal(value)) \(units[unit])"
    }

    /// One digit after the point; `?` beyond what an integer holds.
    static func decimal(_ value: Double) -> String {
        guard let tenths = Int64(exactly: (abs(value) * 10).rounded()) else { return "?" }
        return "\(value < 0 && tenths > 0 ? "-" : "")\(tenths / 10).\(tenths % 10)"
    }

    /// `20,013`.
    static func count(_ value: Int64) -> String {
        let digits = String(value.magnitude)
        var grouped = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { grouped += "," }
            grouped.append(digit)
        }
        return (value < 0 ? "-" : "") + grouped
    }

    /// `20,013 files`, `1 file`.
    static func count(_ value: Int64, _ noun: String) -> String {
        "\(count(value)) \(noun)\(value == 1 ? "" : "s")"
    }

    /// The largest unit that fits: `8s`, `3m`, `6h`, `2d`.
    static func age(seconds: Int64) -> String {
        switch max(0, seconds) {
        case 0..<60: "\(max(0, seconds))s"
        case 60..<3600: "\(seconds / 60)m"
        case 3600..<172_800: "\(seconds / 3600)h"
        default: "\(seconds / 86_400)d"
        }
    }

    /// How long ago; `–` for never.
    static func age(_ time: Timestamp?, at now: Timestamp) -> String {
        time.map { age(seconds: (now.milliseconds - $0.milliseconds) / 1000) } ?? "–"
    }

    /// `0:40`, `3:11`, `1:02:03`.
    static func clock(seconds: Double) -> String {
        let whole = Int64(min(max(0, seconds), 8_640_000).rounded())
        let two = { (value: Int64) in value < 10 ? "0\(value)" : "\(value)" }
        let rest = "\(two(whole / 60 % 60)):\(two(whole % 60))"
        return whole >= 3600 ? "\(whole / 3600):\(rest)" : "\(whole / 60):\(two(whole % 60))"
    }

    /// `1.8s`, `38.2s`, `10m 04s`, `2h 05m`.
    static func duration(milliseconds: Int64) -> String {
        let seconds = max(0, milliseconds) / 1000
        let two = { (value: Int64) in value < 10 ? "0\(value)" : "\(value)" }
        switch seconds {
        case 0..<60: return decimal(Double(max(0, milliseconds)) / 1000) + "s"
        case 60..<3600: return "\(seconds / 60)m \(two(seconds % 60))s"
        default: return "\(seconds / 3600)h \(two(seconds / 60 % 60))m"
        }
    }
}
