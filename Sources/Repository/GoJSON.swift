/// The pieces of JSON as Go's `encoding/json` writes them, bit for bit: `<`, `>`, `&`, U+2028 and
/// U+2029 escaped, no spaces, base64 for bytes, RFC 3339 with nanoseconds for times.
enum GoJSON {
    /// Appends a string with its quotes; bytes that are not UTF-8 become U+FFFD.
    static func append(string bytes: [UInt8], to json: inout [UInt8]) {
        json.append(UInt8(ascii: "\""))
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            if byte < 0x80 {
                append(ascii: byte, to: &json)
                index += 1
                continue
            }
            guard let (codePoint, width) = UTF8Sequence.decode(bytes, at: index) else {
                append("\\ufffd", to: &json)
                index += 1
                continue
            }
            switch codePoint {
            case 0x2028: append("\\u2028", to: &json)
            case 0x2029: append("\\u2029", to: &json)
            default: json.append(contentsOf: bytes[index..<index + width])
            }
            index += width
        }
        json.append(UInt8(ascii: "\""))
    }

    private static func append(ascii byte: UInt8, to json: inout [UInt8]) {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"):
            json.append(UInt8(ascii: "\\"))
            json.append(byte)
        case 0x0A: append("\\n", to: &json)
        case 0x0D: append("\\r", to: &json)
        case 0x09: append("\\t", to: &json)
        case 0..<0x20, UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "&"):
            append("\\u00", to: &json)
            json.append(hexDigit(byte >> 4))
            json.append(hexDigit(byte & 15))
        default: json.append(byte)
        }
    }

    /// Appends text that needs no escaping.
    static func append(_ text: StaticString, to json: inout [UInt8]) {
        text.withUTF8Buffer { unsafe json.append(contentsOf: $0) }
    }

    static func append(_ number: UInt64, to json: inout [UInt8]) {
        append(number, digits: 1, to: &json)
    }

    /// Appends a number with at least `digits` digits.
    static func append(_ number: UInt64, digits: Int, to json: inout [UInt8]) {
        let start = json.count
        var rest = number
        repeat {
            json.append(UInt8(ascii: "0") + UInt8(rest % 10))
            rest /= 10
        } while rest > 0 || json.count - start < digits
        json[start...].reverse()
    }

    static func append(_ id: BlobID, to json: inout [UInt8]) {
        json.append(UInt8(ascii: "\""))
        id.appendHex(to: &json)
        json.append(UInt8(ascii: "\""))
    }

    /// Appends standard base64 with padding and quotes (RFC 4648 section 4).
    static func append(base64 bytes: [UInt8], to json: inout [UInt8]) {
        json.append(UInt8(ascii: "\""))
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let count = min(3, bytes.count - start)
            var word = UInt32(bytes[start]) << 16
            if count > 1 { word |= UInt32(bytes[start + 1]) << 8 }
            if count > 2 { word |= UInt32(bytes[start + 2]) }
            for position in 0..<4 {
                let six = UInt8(word >> (18 - 6 * UInt32(position)) & 63)
                json.append(position <= count ? base64Digit(six) : UInt8(ascii: "="))
            }
        }
        json.append(UInt8(ascii: "\""))
    }

    /// The bytes behind standard base64 with padding, or nil where it is not that.
    static func decode(base64 text: [UInt8]) -> [UInt8]? {
        guard text.count % 4 == 0 else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count / 4 * 3)
        for start in stride(from: 0, to: text.count, by: 4) {
            let isLast = start + 4 == text.count
            let padding =
                isLast ? text[start...].reversed().prefix { $0 == UInt8(ascii: "=") }.count : 0
            guard padding <= 2 else { return nil }
            var word: UInt32 = 0
            for position in 0..<4 {
                if position >= 4 - padding {
                    word <<= 6
                } else if let six = base64Value(text[start + position]) {
                    word = word << 6 | UInt32(six)
                } else {
                    return nil
                }
            }
            let three = [UInt8(word >> 16), UInt8(word >> 8 & 255), UInt8(word & 255)]
            bytes.append(contentsOf: three.prefix(3 - padding))
        }
        return bytes
    }

    static func hexDigit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }

    /// The value of a hexadecimal digit of either case.
    static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    private static func base64Digit(_ six: UInt8) -> UInt8 {
        switch six {
        case 0..<26: UInt8(ascii: "A") + six
        case 26..<52: UInt8(ascii: "a") + six - 26
        case 52..<62: UInt8(ascii: "0") + six - 52
        case 62: UInt8(ascii: "+")
        default: UInt8(ascii: "/")
        }
    }

    private static func base64Value(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): byte - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0") + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
