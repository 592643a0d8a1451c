/// A type that goes into a statement as a value and comes out of a column.
///
/// An enumeration with `String` raw values conforms by declaration alone; an unknown value is an
/// error.
public protocol SQLiteConvertible: Sendable {
    /// The value to store.
    var sqliteValue: SQLiteValue { get }
    /// Reads a stored value; nil when it is of another type.
    static func fromSQLite(_ value: SQLiteValue) -> Self?
}

extension SQLiteValue: SQLiteConvertible {
    public var sqliteValue: SQLiteValue { self }
    public static func fromSQLite(_ value: SQLiteValue) -> SQLiteValue? { value }
}

extension Int64: SQLiteConvertible {
    public var sqliteValue: SQLiteValue { .integer(self) }
    public static func fromSQLite(_ value: SQLiteValue) -> Int64? {
        if case .integer(let number) = value { number } else { nil }
    }
}

extension Int: SQLiteConvertible {
    public var sqliteValue: SQLiteValue { .integer(Int64(self)) }
    public static func fromSQLite(_ value: SQLiteValue) -> Int? {
        if case .integer(let number) = value { Int(exactly: number) } else { nil }
    }
}

extension Int32: SQLiteConvertible {
    public var sqliteValue: SQLiteValue { .integer(Int64(self)) }
    public static func fromSQLite(_ value: SQLiteValue) -> Int32? {
        if case .integer(let number) = value { Int32(exactly: number) } else { nil }
    }
}

extension UInt32: SQLiteConvertible {
    public var sqliteValue: SQLiteValue { .integer(Int64(self)) }
    public static func fromSQLite(_ value: SQLiteValue) -> UInt32? {
        if case .integer(let number) = value { UInt32(exactly: number) } else { nil }
    }
}

extension Bool: SQLiteConvertible {
    public var sqliteValue: SQLiteValue { .integer(self ? 1 : 0) }
    public static func fromSQLite(_ value: SQLiteValue) -> Bool? {
        switch value {
        case .integer(0): false
        case .integer(1): true
        default: nil
        }
    }
}

extension Double: SQLiteConvertible {
    public var sqliteValue: SQLiteValue { .real(self) }
    public static func fromSQLite(_ value: SQLiteValue) -> Double? {
        switch value {
        case .real(let number): number
        case .integer(let number): Double(exactly: number)
        default: nil
        }
    }
}

extension String: SQLiteConvertible {
    public var sqliteValue: SQLiteValue { .text(self) }
    public static func fromSQLite(_ value: SQLiteValue) -> String? {
        if case .text(let text) = value { text } else { nil }
    }
}

extension [UInt8]: SQLiteConvertible {
    public var sqliteValue: SQLiteValue { .blob(self) }
    public static func fromSQLite(_ value: SQLiteValue) -> [UInt8]? {
        if case .blob(let bytes) = value { bytes } else { nil }
    }
}

extension Optional: SQLiteConvertible where Wrapped: SQLiteConvertible {
    public var sqliteValue: SQLiteValue { self?.sqliteValue ?? .null }
    public static func fromSQLite(_ value: SQLiteValue) -> Wrapped?? {
        if value == .null { return .some(nil) }
        return Wrapped.fromSQLite(value).map { .some($0) }
    }
}

extension SQLiteConvertible where Self: RawRepresentable, RawValue == String {
    public var sqliteValue: SQLiteValue { .text(rawValue) }
    public static func fromSQLite(_ value: SQLiteValue) -> Self? {
        if case .text(let text) = value { Self(rawValue: text) } else { nil }
    }
}
