/// How S3 writes keys, digests and instants.
enum S3Text {
    private static let upper = Array("0123456789ABCDEF".utf8)
    private static let lower = Array("0123456789abcdef".utf8)

    /// Appends `text`, percent-encoded as SigV4 asks: all but the unreserved characters of RFC 3986,
    /// in upper case, byte by byte; a slash stays when `keepsSlash`.
    static func encode(_ text: String, keepsSlash: Bool, into bytes: inout [UInt8]) {
        for byte in text.utf8 {
            switch byte {
            case 0x61...0x7a, 0x41...0x5a, 0x30...0x39, 0x2d, 0x2e, 0x5f, 0x7e:
                bytes.append(byte)
            case 0x2f where keepsSlash:
                bytes.append(byte)
            default:
                bytes.append(0x25)
                bytes.append(upper[Int(byte >> 4)])
                bytes.append(upper[Int(byte & 15)])
            }
        }
    }

    /// `text`, percent-encoded.
    static func encoded(_ text: String, keepsSlash: Bool = false) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        encode(text, keepsSlash: keepsSlash, into: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// A key of a listing that was asked for with `encoding-type=url`: `%XX`, and `+` for a space,
    /// which some providers write.
    ///
    /// Nil when it is no UTF-8 or an escape is broken.
    static func decoded(_ text: String) -> String? {
        guard text.utf8.contains(where: { $0 == 0x25 || $0 == 0x2b }) else { return text }
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            switch byte {
            case 0x2b: bytes.append(0x20)
            case 0x25:
                guard let high = rest.popFirst().flatMap(digit),
                    let low = rest.popFirst().flatMap(digit)
                else { return nil }
                bytes.append(high << 4 | low)
            default: bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x37
        case 0x61...0x66: byte - 0x57
        default: nil
        }
    }

    /// Appends two lower case hexadecimal digits a byte.
    static func hex(_ value: [UInt8], into bytes: inout [UInt8]) {
        for byte in value {
            bytes.append(lower[Int(byte >> 4)])
            bytes.append(lower[Int(byte & 15)])
        }
    }

    /// Lower case hexadecimal digits.
    static func hex(_ value: [UInt8]) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(value.count * 2)
        hex(value, into: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Base64 with padding (RFC 4648 section 4).
    static func base64(_ value: [UInt8]) -> String {
        let alphabet = Array(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var text: [UInt8] = []
        for start in stride(from: 0, to: value.count, by: 3) {
            let group = value[start..<min(start + 3, value.count)]
            let bits =
                group.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } << UInt32(8 * (3 - group.count))
            for index in 0..<4 {
                let isData = index <= group.count
                text.append(isData ? alphabet[Int(bits >> UInt32(18 - 6 * index)) & 63] : 0x3d)
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
