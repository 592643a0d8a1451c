/// Reads JSON from front to back, for trees: bytes stay bytes, nothing is built that is not asked
/// for, and nesting is limited.
///
/// Accepts what Go's decoder accepts: any white space, fields in any order, unknown fields.
struct GoJSONCursor {
    private let bytes: [UInt8]
    private var index = 0
    /// What is read, for errors.
    private let source: String

    /// How deep the values of unknown fields may nest.
    private static let depthLimit = 64

    /// - Parameters:
    ///   - bytes: the JSON.
    ///   - source: what errors call it.
    init(_ bytes: [UInt8], source: String = "tree") {
        self.bytes = bytes
        self.source = source
    }

    /// Whether only white space is left.
    mutating func isAtEnd() -> Bool {
        skipSpace()
        return index == bytes.count
    }

    /// Takes `byte` if it is next, after white space.
    mutating func take(_ byte: Unicode.Scalar) -> Bool {
        skipSpace()
        guard index < bytes.count, bytes[index] == UInt8(ascii: byte) else { return false }
        index += 1
        return true
    }

    mutating func expect(_ byte: Unicode.Scalar) throws(RepositoryError) {
        guard take(byte) else { throw failure("'\(byte)' expected") }
    }

    /// Takes `null` if it is next.
    mutating func takeNull() -> Bool {
        skipSpace()
        guard index + 4 <= bytes.count, bytes[index] == UInt8(ascii: "n"),
            bytes[index + 1] == UInt8(ascii: "u"), bytes[index + 2] == UInt8(ascii: "l"),
            bytes[index + 3] == UInt8(ascii: "l")
        else { return false }
        index += 4
        return true
    }

    /// Runs `element` for each element of an array; `null` counts as an empty one, as in Go.
    mutating func array(
        _ element: (inout GoJSONCursor) throws(RepositoryError) -> Void
    ) throws(RepositoryError) {
        if takeNull() { return }
        try expect("[")
        if take("]") { return }
        repeat { try element(&self) } while take(",")
        try expect("]")
    }

    /// Runs `field` with each field's name; it must read or skip the value.
    mutating func object(
        _ field: (inout GoJSONCursor, String) throws(RepositoryError) -> Void
    ) throws(RepositoryError) {
        try expect("{")
        if take("}") { return }
        repeat {
            let name = try fieldName()
            try expect(":")
            try field(&self, name)
        } while take(",")
        try expect("}")
    }

    /// A string without escapes, as it lies there; nil, and nothing is taken, where it has some.
    private mutating func plainString() throws(RepositoryError) -> Range<Int>? {
        try expect("\"")
        let start = index
        skipPlain()
        guard index < bytes.count, bytes[index] == UInt8(ascii: "\"") else {
            index = start - 1
            return nil
        }
        index += 1
        return start..<index - 1
    }

    private mutating func skipPlain() {
        while index < bytes.count, bytes[index] != UInt8(ascii: "\""),
            bytes[index] != UInt8(ascii: "\\"), bytes[index] >= 0x20
        {
            index += 1
        }
    }

    /// The names that are too long to be kept in a `String` without memory of their own.
    private static let longNames: [(text: String, bytes: [UInt8])] = [
        "extended_attributes", "uncompressed_length",
    ].map { ($0, Array($0.utf8)) }

    private mutating func fieldName() throws(RepositoryError) -> String {
        guard let range = try plainString() else {
            return String(decoding: try string(), as: UTF8.self)
        }
        if range.count > 15,
            let known = Self.longNames.first(where: { $0.bytes.elementsEqual(bytes[range]) })
        {
            return known.text
        }
        return String(decoding: bytes[range], as: UTF8.self)
    }

    /// A string of 64 lower-case hexadecimal digits.
    mutating func identifier() throws(RepositoryError) -> BlobID {
        guard let range = try plainString(), let id = BlobID(hexDigits: bytes[range]) else {
            throw failure("not an id")
        }
        return id
    }

    /// One of several words.
    ///
    /// - Returns: its position in `words`, nil where it is another.
    mutating func word(of words: [[UInt8]]) throws(RepositoryError) -> Int? {
        guard let range = try plainString() else { return nil }
        return words.firstIndex { $0.elementsEqual(bytes[range]) }
    }

    /// The bytes of a string, unescaped.
    mutating func string() throws(RepositoryError) -> [UInt8] {
        try expect("\"")
        let start = index
        skipPlain()
        var text = [UInt8](bytes[start..<index])
        while index < bytes.count {
            let byte = bytes[index]
            index += 1
            switch byte {
            case UInt8(ascii: "\""): return text
            case UInt8(ascii: "\\"): try unescape(into: &text)
            case 0..<0x20: throw failure("control character in a string")
            default: text.append(byte)
            }
        }
        throw failure("string without end")
    }

    /// A number without sign, fraction or exponent.
    mutating func number() throws(RepositoryError) -> UInt64 {
        skipSpace()
        let start = index
        var value: UInt64 = 0
        while index < bytes.count, 48...57 ~= bytes[index] {
            let (tens, high) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = tens.addingReportingOverflow(UInt64(bytes[index] - 48))
            guard !high, !carry else { throw failure("number too large") }
            value = sum
            index += 1
        }
        guard index > start else { throw failure("number expected") }
        return value
    }

    /// A number that must fit into 32 bits.
    mutating func number32() throws(RepositoryError) -> UInt32 {
        guard let value = UInt32(exactly: try number()) else { throw failure("number too large") }
        return value
    }

    /// Skips a value of any kind.
    mutating func skip(depth: Int = 0) throws(RepositoryError) {
        guard depth < GoJSONCursor.depthLimit else { throw failure("nested too deeply") }
        skipSpace()
        guard index < bytes.count else { throw failure("value expected") }
        switch bytes[index] {
        case UInt8(ascii: "\""): if try plainString() == nil { _ = try string() }
        case UInt8(ascii: "["):
            try array { (cursor) throws(RepositoryError) in try cursor.skip(depth: depth + 1) }
        case UInt8(ascii: "{"):
            try object { (cursor, _) throws(RepositoryError) in
                try cursor.skip(depth: depth + 1)
            }
        default:
            // A number or a literal: everything up to the next structural byte.
            let start = index
            while index < bytes.count, isScalarByte(bytes[index]) { index += 1 }
            guard index > start else { throw failure("value expected") }
        }
    }

    func failure(_ reason: String) -> RepositoryError {
        .corrupt(source, "\(reason) at byte \(index)")
    }

    private func isScalarByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "E"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."):
            true
        default: false
        }
    }

    private mutating func skipSpace() {
        while index < bytes.count, bytes[index] <= 0x20 {
            switch bytes[index] {
            case 0x20, 0x0A, 0x0D, 0x09: index += 1
            default: return
            }
        }
    }

    /// Reads what follows a backslash.
    private mutating func unescape(into text: inout [UInt8]) throws(RepositoryError) {
        guard index < bytes.count else { throw failure("string without end") }
        let letter = bytes[index]
        index += 1
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(letter)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
            var codePoint = try fourDigits()
            if 0xD800...0xDBFF ~= codePoint, index + 6 <= bytes.count,
                bytes[index] == UInt8(ascii: "\\"), bytes[index + 1] == UInt8(ascii: "u")
            {
                let before = index
                index += 2
                let low = try fourDigits()
                if 0xDC00...0xDFFF ~= low {
                    codePoint = 0x10000 + (codePoint - 0xD800) << 10 + (low - 0xDC00)
                } else {
                    index = before
                }
            }
            // A lone surrogate becomes U+FFFD, as in Go.
            if !UTF8Sequence.append(codePoint, to: &text) {
                _ = UTF8Sequence.append(0xFFFD, to: &text)
            }
        default: throw failure("unknown escape")
        }
    }

    private mutating func fourDigits() throws(RepositoryError) -> UInt32 {
        guard index + 4 <= bytes.count else { throw failure("escape cut off") }
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = GoJSON.digit(bytes[index]) else { throw failure("bad escape") }
            value = value << 4 | UInt32(digit)
            index += 1
        }
        return value
    }
}
