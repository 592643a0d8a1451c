/// A type whose arrays can be parameters and columns: text[], bigint[], …, and bytea for bytes.
public protocol PostgresArrayElement: Sendable {
    /// The type of an array of these.
    static var postgresArrayType: PostgresType { get }
    /// Encodes a whole array.
    static func encodePostgresArray(_ values: [Self]) -> PostgresValue
    /// Decodes a whole array.
    static func decodePostgresArray(_ cell: PostgresCell) throws -> [Self]
}

extension Array: PostgresEncodable where Element: PostgresArrayElement {
    public static var postgresType: PostgresType { Element.postgresArrayType }
    public var postgresValue: PostgresValue { Element.encodePostgresArray(self) }
}

extension Array: PostgresDecodable where Element: PostgresArrayElement {
    public static func decodePostgres(_ cell: PostgresCell) throws -> [Element] {
        try Element.decodePostgresArray(cell)
    }
}

/// Bytes are bytea, not an array.
extension UInt8: PostgresArrayElement {
    public static var postgresArrayType: PostgresType { .bytea }
    public static func encodePostgresArray(_ values: [UInt8]) -> PostgresValue { .binary(values) }
    public static func decodePostgresArray(_ cell: PostgresCell) throws -> [UInt8] {
        try cell.byteaBytes()
    }
}

extension String: PostgresArrayElement {
    public static var postgresArrayType: PostgresType { .textArray }
    public static func encodePostgresArray(_ values: [String]) -> PostgresValue {
        .text(PostgresArrayText.encode(values))
    }
    public static func decodePostgresArray(_ cell: PostgresCell) throws -> [String] {
        try cell.arrayItems { try PostgresArrayText.present($0, in: cell) }
    }
}

extension Int64: PostgresArrayElement {
    public static var postgresArrayType: PostgresType { .int8Array }
    public static func encodePostgresArray(_ values: [Int64]) -> PostgresValue {
        .text(PostgresArrayText.encode(values.map { String($0) }))
    }
    public static func decodePostgresArray(_ cell: PostgresCell) throws -> [Int64] {
        try cell.arrayItems { try PostgresArrayText.number($0, in: cell) }
    }
}

extension Int: PostgresArrayElement {
    public static var postgresArrayType: PostgresType { .int8Array }
    public static func encodePostgresArray(_ values: [Int]) -> PostgresValue {
        .text(PostgresArrayText.encode(values.map { String($0) }))
    }
    public static func decodePostgresArray(_ cell: PostgresCell) throws -> [Int] {
        try cell.arrayItems { try PostgresArrayText.number($0, in: cell) }
    }
}

extension Int32: PostgresArrayElement {
    public static var postgresArrayType: PostgresType { .int4Array }
    public static func encodePostgresArray(_ values: [Int32]) -> PostgresValue {
        .text(PostgresArrayText.encode(values.map { String($0) }))
    }
    public static func decodePostgresArray(_ cell: PostgresCell) throws -> [Int32] {
        try cell.arrayItems { try PostgresArrayText.number($0, in: cell) }
    }
}

extension Double: PostgresArrayElement {
    public static var postgresArrayType: PostgresType { .float8Array }
    public static func encodePostgresArray(_ values: [Double]) -> PostgresValue {
        .text(PostgresArrayText.encode(values.map(\.postgresText)))
    }
    public static func decodePostgresArray(_ cell: PostgresCell) throws -> [Double] {
        try cell.arrayItems { try PostgresArrayText.number($0, in: cell) }
    }
}

extension Bool: PostgresArrayElement {
    public static var postgresArrayType: PostgresType { .boolArray }
    public static func encodePostgresArray(_ values: [Bool]) -> PostgresValue {
        .text(PostgresArrayText.encode(values.map { $0 ? "t" : "f" }))
    }
    public static func decodePostgresArray(_ cell: PostgresCell) throws -> [Bool] {
        try cell.arrayItems { try PostgresArrayText.present($0, in: cell) == "t" }
    }
}

/// `[[UInt8]]` is bytea[].
extension Array: PostgresArrayElement where Element == UInt8 {
    public static var postgresArrayType: PostgresType { .byteaArray }
    public static func encodePostgresArray(_ values: [[UInt8]]) -> PostgresValue {
        .text(PostgresArrayText.encode(values.map { PostgresHex.text($0) }))
    }
    public static func decodePostgresArray(_ cell: PostgresCell) throws -> [[UInt8]] {
        try cell.arrayItems { item in
            let text = try PostgresArrayText.present(item, in: cell)
            guard let bytes = PostgresHex.bytes(Array(text.utf8)[...]) else {
                throw cell.failure("an array of bytea")
            }
            return bytes
        }
    }
}

/// `[String?]` is text[] with NULL elements; the other element types likewise.
extension Optional: PostgresArrayElement
where Wrapped: PostgresArrayElement & PostgresEncodable {
    public static var postgresArrayType: PostgresType { Wrapped.postgresArrayType }
    public static func encodePostgresArray(_ values: [Wrapped?]) -> PostgresValue {
        .text(
            PostgresArrayText.encode(
                values.map { value -> String? in
                    switch value?.postgresValue ?? .null {
                    case .text(let text): text
                    case .binary(let bytes): PostgresHex.text(bytes)
                    case .null: nil
                    }
                }))
    }
    public static func decodePostgresArray(_ cell: PostgresCell) throws -> [Wrapped?] {
        try cell.arrayItems { item in
            guard let item else { return nil }
            let one = PostgresArrayText.encode([item])
            return try Wrapped.decodePostgresArray(cell.replacing(text: one)).first
        }
    }
}
