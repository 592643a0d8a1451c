/// One value as SQLite stores it (SQLite, Datatypes: Storage Classes).
public enum SQLiteValue: Sendable, Hashable {
    /// NULL
    case null
    /// A signed integer of up to 8 bytes.
    case integer(Int64)
    /// An 8-byte float; NaN is stored as NULL.
    case real(Double)
    /// UTF-8 text; may hold NUL characters.
    case text(String)
    /// Bytes.
    case blob([UInt8])
}

extension SQLiteValue: ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByNilLiteral
{
    public init(integerLiteral value: Int64) { self = .integer(value) }
    public init(floatLiteral value: Double) { self = .real(value) }
    public init(stringLiteral value: String) { self = .text(value) }
    public init(booleanLiteral value: Bool) { self = .integer(value ? 1 : 0) }
    public init(nilLiteral: ()) { self = .null }
}
