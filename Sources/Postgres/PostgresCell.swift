/// One value of a row, in the server's text form.
public struct PostgresCell: Sendable {
    /// The column's name.
    public let column: String
    /// The OID of the column's type (pg_type.dat).
    public let type: UInt32
    /// The value's text, UTF-8; nil is SQL NULL.
    public let bytes: ArraySlice<UInt8>?

    /// Decodes the value.
    ///
    /// - Throws: `PostgresError` `.decoding`.
    public func decode<Value: PostgresDecodable>(
        _ type: Value.Type = Value.self
    ) throws -> Value {
        try Value.decodePostgres(self)
    }

    /// The error that says that this value is not `wanted`; it does not quote the value.
    public func failure(_ wanted: String) -> PostgresError {
        PostgresError(
            code: .decoding,
            message: "column \(column) is \(bytes == nil ? "NULL" : "of type OID \(type)"), "
                + "not \(wanted)")
    }

    /// The value as text.
    ///
    /// - Throws: `PostgresError` `.decoding` when it is NULL.
    public func text(_ wanted: @autoclosure () -> String = "text") throws -> String {
        guard let bytes else { throw failure(wanted()) }
        return String(decoding: bytes, as: UTF8.self)
    }

    func byteaBytes() throws -> [UInt8] {
        guard let bytes, let decoded = PostgresHex.bytes(bytes) else { throw failure("bytea") }
        return decoded
    }

    func arrayItems<Item>(_ item: (String?) throws -> Item) throws -> [Item] {
        guard let bytes, let items = PostgresArrayText.decode(bytes) else {
            throw failure("a one-dimensional array")
        }
        return try items.map(item)
    }

    func replacing(text: String) -> PostgresCell {
        PostgresCell(column: column, type: type, bytes: Array(text.utf8)[...])
    }
}
