/// One log entry, and how it looks as a line.
struct LogEntry: Sendable {
    let time: UTCTime
    let level: LogLevel
    let message: String
    let metadata: [String: LogValue]

    /// Longer text is cut, so that one entry cannot fill a disk.
    private static let limitBytes = 4096

    /// One JSON object without line breaks: `time`, `level`, `message`, then the metadata by key.
    var json: String {
        var line = "{\"time\":\"\(time)\",\"level\":\"\(level.rawValue)\",\"message\":"
        line += Self.quote(message)
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            line += "," + Self.quote(key) + ":"
            switch value {
            case .string(let text): line += Self.quote(text)
            case .integer(let whole): line += String(whole)
            case .number(let number): line += number.isFinite ? "\(number)" : "\"\(number)\""
            case .bool(let flag): line += flag ? "true" : "false"
            case .redacted: line += "\"[redacted]\""
            }
        }
        return line + "}"
    }

    /// `time level message key=value …`, for a person at a terminal; control characters cannot
    /// reach the terminal.
    var text: String {
        var line = "\(time) \(level.rawValue) \(message)"
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            line += " \(key)="
            switch value {
            case .string(let text): line += Self.plain(text) ? text : Self.quote(text)
            case .integer(let whole): line += String(whole)
            case .number(let number): line += "\(number)"
            case .bool(let flag): line += flag ? "true" : "false"
            case .redacted: line += "[redacted]"
            }
        }
        return line
    }

    private static func plain(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= limitBytes
            && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != 0x22 && $0 != 0x3d }
    }

    /// A JSON string (RFC 8259, section 7); C1 controls and DEL are escaped as well.
    private static func quote(_ text: String) -> String {
        let digits = Array("0123456789abcdef".unicodeScalars)
        var quoted = String.UnicodeScalarView("\"".unicodeScalars)
        var bytes = 0
        for scalar in text.unicodeScalars {
            bytes += UTF8.width(scalar)
            if bytes > limitBytes {
                quoted.append("…")
                break
            }
            switch scalar.value {
            case 0x22, 0x5c: quoted += ["\\", scalar]
            case 0x0a: quoted += ["\\", "n"]
            case 0..<0x20, 0x7f..<0xa0:
                let high = digits[Int(scalar.value >> 4)]
                quoted += ["\\", "u", "0", "0", high, digits[Int(scalar.value & 15)]]
            default: quoted.append(scalar)
            }
        }
        quoted.append("\"")
        return String(quoted)
    }
}
