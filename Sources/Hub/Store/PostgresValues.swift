public import Postgres
public import Shared

/// Identifiers are plain UUIDs in PostgreSQL.
extension Identifier: PostgresEncodable {
    static public var postgresType: PostgresType { .inferred }
    public var postgresValue: PostgresValue { .text(uuid) }
}

extension Identifier: PostgresDecodable {
    static public func decodePostgres(_ cell: PostgresCell) throws -> Identifier {
        guard let value = Identifier(uuid: try cell.text("uuid")) else {
            throw cell.failure("uuid")
        }
        return value
    }
}

/// Instants are `timestamptz`; sessions run with `TimeZone=UTC`.
extension Timestamp: PostgresEncodable {
    static public var postgresType: PostgresType { .inferred }
    public var postgresValue: PostgresValue { .text(description) }
}

extension Timestamp: PostgresDecodable {
    static public func decodePostgres(_ cell: PostgresCell) throws -> Timestamp {
        let text = try cell.text("timestamptz in UTC")
        guard text.hasSuffix("+00"),
            let value = Timestamp(
                String(text.dropLast(3)).replacing(" ", with: "T") + "Z")
        else { throw cell.failure("timestamptz in UTC") }
        return value
    }
}

/// A `jsonb` column's document.
struct JSONColumn<Value: Codable & Sendable>: PostgresEncodable, PostgresDecodable {
    let value: Value
    private let text: String

    /// - Throws: `EncodingError` when the value has no JSON form.
    init(_ value: Value) throws {
        self.value = value
        text = try JSON.text(value)
    }

    private init(value: Value, text: String) {
        self.value = value
        self.text = text
    }

    static var postgresType: PostgresType { .inferred }
    var postgresValue: PostgresValue { .text(text) }

    static func decodePostgres(_ cell: PostgresCell) throws -> JSONColumn {
        let text = try cell.text("jsonb")
        return JSONColumn(value: try JSON.decode(Value.self, from: text.utf8), text: text)
    }
}
