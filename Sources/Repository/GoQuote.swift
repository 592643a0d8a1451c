/// The way restic writes a file's name into a tree: Go's `strconv.Quote` without the outer quotes,
/// so that any bytes survive JSON (restic design, "Trees and Data"; internal/restic/node.go).
enum GoQuote {
    /// Quotes raw bytes: printable code points stay, `"` and `\` get a backslash, bytes that are
    /// not UTF-8 become `\xff`, everything else an escape.
    static func quote(_ bytes: [UInt8]) -> [UInt8] {
        if bytes.allSatisfy(isPlain) { return bytes }
        var quoted: [UInt8] = []
        quoted.reserveCapacity(bytes.count + 16)
        var index = 0
        while index < bytes.count {
            guard let (codePoint, width) = UTF8Sequence.decode(bytes, at: index) else {
                appendEscape("x", UInt32(bytes[index]), digits: 2, to: &quoted)
                index += 1
                continue
            }
            append(codePoint, bytes[index..<index + width], to: &quoted)
            index += width
        }
        return quoted
    }

    /// The raw bytes behind a quoted name (Go's `strconv.Unquote` of `"` + name + `"`), or nil
    /// where it is not a valid Go string literal.
    static func unquote(_ quoted: [UInt8]) -> [UInt8]? {
        if quoted.allSatisfy(isPlain) { return quoted }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(quoted.count)
        var index = 0
        while index < quoted.count {
            let byte = quoted[index]
            index += 1
            // An unescaped quote or newline cannot be inside a literal.
            if byte == UInt8(ascii: "\"") || byte == 0x0A { return nil }
            if byte != UInt8(ascii: "\\") {
                bytes.append(byte)
                continue
            }
            guard unescape(quoted, at: &index, into: &bytes) else { return nil }
        }
        return bytes
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        byte >= 0x20 && byte < 0x7F && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
    }

    private static func append(
        _ codePoint: UInt32, _ encoded: ArraySlice<UInt8>, to quoted: inout [UInt8]
    ) {
        if codePoint == 0x22 || codePoint == 0x5C {
            quoted.append(UInt8(ascii: "\\"))
            quoted.append(UInt8(codePoint))
            return
        }
        if GoPrintable.contains(codePoint) {
            quoted.append(contentsOf: encoded)
            return
        }
        if codePoint >= 0x07 && codePoint <= 0x0D {
            let letters: StaticString = "abtnvfr"
            // Go's order: \a 7, \b 8, \t 9, \n 10, \v 11, \f 12, \r 13.
            quoted.append(UInt8(ascii: "\\"))
            quoted.append(unsafe letters.utf8Start[Int(codePoint) - 7])
        } else if codePoint < 0x20 || codePoint == 0x7F {
            appendEscape("x", codePoint, digits: 2, to: &quoted)
        } else if codePoint < 0x10000 {
            appendEscape("u", codePoint, digits: 4, to: &quoted)
        } else {
            appendEscape("U", codePoint, digits: 8, to: &quoted)
        }
    }

    private static func appendEscape(
        _ letter: Unicode.Scalar, _ value: UInt32, digits: UInt32, to quoted: inout [UInt8]
    ) {
        quoted.append(UInt8(ascii: "\\"))
        quoted.append(UInt8(ascii: letter))
        for digit in (0..<digits).reversed() {
            quoted.append(GoJSON.hexDigit(UInt8(value >> (4 * digit) & 15)))
        }
    }

    /// Reads what follows a backslash; `index` is behind it.
    private static func unescape(
        _ quoted: [UInt8], at index: inout Int, into bytes: inout [UInt8]
    ) -> Bool {
        guard index < quoted.count else { return false }
        let letter = quoted[index]
        index += 1
        switch letter {
        case UInt8(ascii: "a"): bytes.append(0x07)
        case UInt8(ascii: "b"): bytes.append(0x08)
        case UInt8(ascii: "t"): bytes.append(0x09)
        case UInt8(ascii: "n"): bytes.append(0x0A)
        case UInt8(ascii: "v"): bytes.append(0x0B)
        case UInt8(ascii: "f"): bytes.append(0x0C)
        case UInt8(ascii: "r"): bytes.append(0x0D)
        case UInt8(ascii: "\\"), UInt8(ascii: "\""): bytes.append(letter)
        case UInt8(ascii: "x"):
            guard let value = number(quoted, at: &index, digits: 2, radix: 16) else { return false }
            bytes.append(UInt8(value))
        case UInt8(ascii: "u"), UInt8(ascii: "U"):
            let digits = letter == UInt8(ascii: "u") ? 4 : 8
            guard let value = number(quoted, at: &index, digits: digits, radix: 16),
                UTF8Sequence.append(value, to: &bytes)
            else { return false }
        case UInt8(ascii: "0")...UInt8(ascii: "7"):
            index -= 1
            guard let value = number(quoted, at: &index, digits: 3, radix: 8), value < 256 else {
                return false
            }
            bytes.append(UInt8(value))
        default: return false
        }
        return true
    }

    private static func number(
        _ quoted: [UInt8], at index: inout Int, digits: Int, radix: UInt32
    ) -> UInt32? {
        guard index + digits <= quoted.count else { return nil }
        var value: UInt32 = 0
        for _ in 0..<digits {
            guard let digit = GoJSON.digit(quoted[index]), UInt32(digit) < radix else { return nil }
            value = value &* radix &+ UInt32(digit)
            index += 1
        }
        return value
    }
}
