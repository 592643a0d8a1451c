/// A type that a column's value can be read as.
///
/// An enumeration with `String` raw values conforms by declaration alone; an unknown value is an
/// error.
public protocol PostgresDecodable: Sendable {
    /// Reads the value.
    ///
    /// - Throws: `PostgresError` `.decoding`, best made by `PostgresCell.failure`.
    static func decodePostgres(_ cell: PostgresCell) throws -> Self
}

extension String: PostgresDecodable {
    public static func decodePostgres(_ cell: PostgresCell) throws -> String { try cell.text() }
}

extension Bool: PostgresDecodable {
    public static func decodePostgres(_ cell: PostgresCell) throws -> Bool {
        switch try cell.text("boolean") {
        case "t": true
        case "f": false
        default: throw cell.failure("boolean")
        }
    }
}

extension PostgresDecodable where Self: LosslessStringConvertible {
    /// Reads a number from its decimal text.
    public static func decodePostgres(_ cell: PostgresCell) throws -> Self {
        guard let value = Self(try cell.text("\(Self.self)")) else {
            throw cell.failure("\(Self.self)")
        }
        return value
    }
}

extension Int: PostgresDecodable {}
extension Int32: PostgresDecodable {}
extension Int64: PostgresDecodable {}
extension Double: PostgresDecodable {}

extension Optional: PostgresDecodable where Wrapped: PostgresDecodable {
    public static func decodePostgres(_ cell: PostgresCell) throws -> Wrapped? {
        cell.bytes == nil ? nil : try Wrapped.decodePostgres(cell)
    }
}

extension PostgresDecodable where Self: RawRepresentable, RawValue == String {
    public static func decodePostgres(_ cell: PostgresCell) throws -> Self {
        let text = try cell.text("\(Self.self)")
        guard let value = Self(rawValue: text) else {
            throw PostgresError(
                code: .decoding,
                message: "column \(cell.column) has the value '\(text)', which is no \(Self.self)")
        }
        return value
    }
}
