/// One code point in UTF-8, strictly: no surrogates, no overlong forms, nothing above U+10FFFF
/// (RFC 3629; the same sequences that Go's `unicode/utf8` accepts).
enum UTF8Sequence {
    /// The code point that begins at `index` and how many bytes it takes, or nil where the bytes
    /// are not UTF-8.
    static func decode(_ bytes: [UInt8], at index: Int) -> (codePoint: UInt32, width: Int)? {
        let first = bytes[index]
        if first < 0x80 { return (UInt32(first), 1) }
        let width: Int
        var codePoint: UInt32
        switch first {
        case 0xC2...0xDF: (width, codePoint) = (2, UInt32(first & 0x1F))
        case 0xE0...0xEF: (width, codePoint) = (3, UInt32(first & 0x0F))
        case 0xF0...0xF4: (width, codePoint) = (4, UInt32(first & 0x07))
        default: return nil
        }
        guard index + width <= bytes.count else { return nil }
        for offset in 1..<width {
            let byte = bytes[index + offset]
            guard byte & 0xC0 == 0x80 else { return nil }
            codePoint = codePoint << 6 | UInt32(byte & 0x3F)
        }
        let least: UInt32 = width == 2 ? 0x80 : width == 3 ? 0x800 : 0x10000
        guard codePoint >= least, Unicode.Scalar(codePoint) != nil else { return nil }
        return (codePoint, width)
    }

    /// Whether all bytes are UTF-8.
    static func isValid(_ bytes: [UInt8]) -> Bool {
        var index = 0
        while index < bytes.count {
            if bytes[index] < 0x80 {
                index += 1
                continue
            }
            guard let (_, width) = decode(bytes, at: index) else { return false }
            index += width
        }
        return true
    }

    /// Appends a code point; false where it is a surrogate or beyond U+10FFFF.
    static func append(_ codePoint: UInt32, to bytes: inout [UInt8]) -> Bool {
        guard let scalar = Unicode.Scalar(codePoint) else { return false }
        bytes.append(contentsOf: Unicode.UTF8.encode(scalar).map { [UInt8]($0) } ?? [])
        return true
    }
}
