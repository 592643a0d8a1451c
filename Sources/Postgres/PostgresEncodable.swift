/// A parameter's value as it is sent to the server.
public enum PostgresValue: Sendable, Equatable {
    /// The text form of the parameter's type.
    case text(String)
    /// The binary form of the parameter's type.
    case binary([UInt8])
    /// SQL NULL.
    case null
}

/// The object identifier of a parameter's type (pg_type.dat); zero lets the server infer it.
public struct PostgresType: RawRepresentable, Sendable, Hashable {
    /// The type's OID.
    public let rawValue: UInt32
    /// Names a type by its OID.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// The server infers the type from where the parameter stands.
    public static let inferred = PostgresType(rawValue: 0)
    /// The SQL type boolean.
    public static let bool = PostgresType(rawValue: 16)
    /// The SQL type bytea.
    public static let bytea = PostgresType(rawValue: 17)
    /// The SQL type bigint.
    public static let int8 = PostgresType(rawValue: 20)
    /// The SQL type integer.
    public static let int4 = PostgresType(rawValue: 23)
    /// The SQL type double precision.
    public static let float8 = PostgresType(rawValue: 701)
    /// The SQL type boolean[].
    public static let boolArray = PostgresType(rawValue: 1000)
    /// The SQL type bytea[].
    public static let byteaArray = PostgresType(rawValue: 1001)
    /// The SQL type integer[].
    public static let int4Array = PostgresType(rawValue: 1007)
    /// The SQL type text[].
    public static let textArray = PostgresType(rawValue: 1009)
    /// The SQL type bigint[].
    public static let int8Array = PostgresType(rawValue: 1016)
    /// The SQL type double precision[].
    public static let float8Array = PostgresType(rawValue: 1022)
}

/// A type whose values can be parameters of a query.
///
/// An enumeration with `String` raw values conforms by declaration alone.
public protocol PostgresEncodable: Sendable {
    /// The type that the server takes the parameter as.
    static var postgresType: PostgresType { get }
    /// The value to send.
    var postgresValue: PostgresValue { get }
}

/// Text is sent without a type, so that it can also stand for uuid, jsonb, timestamptz and enum
/// values; write `\(text)::text` where nothing else tells the server what it is.
extension String: PostgresEncodable {
    public static var postgresType: PostgresType { .inferred }
    public var postgresValue: PostgresValue { .text(self) }
}

extension Bool: PostgresEncodable {
    public static var postgresType: PostgresType { .bool }
    public var postgresValue: PostgresValue { .text(self ? "t" : "f") }
}

extension Int: PostgresEncodable {
    public static var postgresType: PostgresType { .int8 }
    public var postgresValue: PostgresValue { .text(String(self)) }
}

extension Int32: PostgresEncodable {
    public static var postgresType: PostgresType { .int4 }
    public var postgresValue: PostgresValue { .text(String(self)) }
}

extension Int64: PostgresEncodable {
    public static var postgresType: PostgresType { .int8 }
    public var postgresValue: PostgresValue { .text(String(self)) }
}

extension Double: PostgresEncodable {
    public static var postgresType: PostgresType { .float8 }
    public var postgresValue: PostgresValue { .text(postgresText) }

    /// PostgreSQL's spelling: NaN, Infinity, -Infinity or Swift's shortest exact decimal.
    var postgresText: String {
        if isNaN { return "NaN" }
        if isInfinite { return self < 0 ? "-Infinity" : "Infinity" }
        return description
    }
}

extension Optional: PostgresEncodable where Wrapped: PostgresEncodable {
    public static var postgresType: PostgresType { Wrapped.postgresType }
    public var postgresValue: PostgresValue { self?.postgresValue ?? .null }
}

extension PostgresEncodable where Self: RawRepresentable, RawValue == String {
    public static var postgresType: PostgresType { .inferred }
    public var postgresValue: PostgresValue { .text(rawValue) }
}
