/// Text from outside in a form that cannot steer a terminal: control characters, direction
/// overrides and bytes that are not UTF-8 are written as escapes.
enum HarmlessText {
    /// A file name's raw bytes; a backslash is doubled, so that every name has its own form.
    static func name(_ bytes: [UInt8]) -> String {
        var shown = ""
        var decoder = UTF8()
        var rest = bytes[...]
        while !rest.isEmpty {
            var iterator = rest.makeIterator()
            decoder = UTF8()
            switch decoder.decode(&iterator) {
            case .scalarValue(let scalar):
                shown += scalar == "\\" ? "\\\\" : escaped(scalar)
                rest = rest.dropFirst(UTF8.width(scalar))
            case .emptyInput, .error:
                shown += "\\x" + hex(UInt32(rest[rest.startIndex]), 2)
                rest = rest.dropFirst()
            }
        }
        return shown
    }

    /// A sentence or an identifier; a backslash stays as it is.
    static func text(_ text: String) -> String {
        text.unicodeScalars.map(escaped).joined()
    }

    private static func escaped(_ scalar: UnicodeScalar) -> String {
        switch scalar.value {
        case 0x0A: return "\\n"
        case 0x09: return "\\t"
        case 0x0D: return "\\r"
        case 0x00...0x1F, 0x7F...0x9F: return "\\x" + hex(scalar.value, 2)
        case 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFEFF, 0xE0000...0xE007F:
            return "\\u{" + hex(scalar.value, 4) + "}"
        default: return String(Character(scalar))
        }
    }

    private static func hex(_ value: UInt32, _ width: Int) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
