/// What an identifier identifies; its prefix is the first part of the written form.
public protocol IdentifierKind: Sendable {
    /// Lower-case letters, such as `project`.
    static var prefix: String { get }
}

/// A TypeID (typeid.io 0.3): a prefix and a UUIDv7 in 26 characters of Crockford's base 32, such as
/// `project_01h2xcejqtf2nbrexx3vqjhp41`.
///
/// In PostgreSQL and SQLite it is a plain UUID.
public struct Identifier<Kind: IdentifierKind>: Hashable, Comparable, Sendable, Codable,
    CustomStringConvertible
{
    private let high: UInt64
    private let low: UInt64

    /// Makes a new identifier (RFC 9562 section 5.7).
    ///
    /// - Parameters:
    ///   - milliseconds: Unix time, which makes identifiers sort by age.
    ///   - random: two words from a cryptographic generator; 74 of their bits are used.
    public init(milliseconds: Int64, random: (UInt64, UInt64)) {
        high = UInt64(truncatingIfNeeded: milliseconds) << 16 | 0x7000 | random.0 & 0x0FFF
        low = random.1 & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
    }

    init(words: (UInt64, UInt64)) {
        (high, low) = words
    }

    /// Reads the written form, prefix included; nil when it is anything else.
    public init?(_ text: String) {
        guard text.hasPrefix(Kind.prefix + "_") else { return nil }
        let suffix = text.utf8.dropFirst(Kind.prefix.utf8.count + 1)
        guard suffix.count == 26, let first = suffix.first, first <= 0x37 else { return nil }
        var words: (UInt64, UInt64) = (0, 0)
        for unit in suffix {
            guard let digit = Base32.value(of: unit) else { return nil }
            words.0 = words.0 << 5 | words.1 >> 59
            words.1 = words.1 << 5 | UInt64(digit)
        }
        (high, low) = words
    }

    /// Reads the 36 characters of a UUID (RFC 9562 section 4); nil when it is anything else.
    public init?(uuid text: String) {
        let units = Array(text.utf8)
        let dashes = [8, 13, 18, 23]
        guard units.count == 36, dashes.allSatisfy({ units[$0] == 0x2D }) else { return nil }
        let digits = units.filter { $0 != 0x2D }
        guard digits.count == 32 else { return nil }
        var words: (UInt64, UInt64) = (0, 0)
        for unit in digits {
            guard let digit = Character(UnicodeScalar(unit)).hexDigitValue else { return nil }
            words.0 = words.0 << 4 | words.1 >> 60
            words.1 = words.1 << 4 | UInt64(digit)
        }
        (high, low) = words
    }

    /// The identifier as a lower-case UUID, as PostgreSQL writes it.
    public var uuid: String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for index in 0..<32 {
            if [8, 12, 16, 20].contains(index) { text.append(0x2D) }
            let word = index < 16 ? high : low
            text.append(digits[Int(word >> UInt64(60 - 4 * (index % 16)) & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    public var description: String {
        var text: [UInt8] = []
        for index in 0..<26 {
            let shift = 125 - 5 * index
            let digit: UInt64
            switch shift {
            case 64...: digit = high >> UInt64(shift - 64)
            case 60..<64: digit = high << UInt64(64 - shift) | low >> UInt64(shift)
            default: digit = low >> UInt64(shift)
            }
            text.append(Base32.digits[Int(digit & 31)])
        }
        return Kind.prefix + "_" + String(decoding: text, as: UTF8.self)
    }

    public static func < (left: Identifier, right: Identifier) -> Bool {
        (left.high, left.low) < (right.high, right.low)
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let value = Identifier(text) else {
            throw DecodingError.dataCorruptedError(
                in: container,
                debugDescription:
                    "\"\(text.prefix(64))\" is not an identifier like \(Kind.prefix)_…")
        }
        self = value
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// Crockford's base 32 in lower case, as TypeID uses it.
enum Base32 {
    static let digits = Array("0123456789abcdefghjkmnpqrstvwxyz".utf8)

    static func value(of unit: UInt8) -> UInt8? {
        digits.firstIndex(of: unit).map { UInt8($0) }
    }
}
