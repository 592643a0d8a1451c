/// One row of a result, copied out of SQLite's memory.
public struct SQLiteRow: Sendable, Equatable {
    /// The columns' names, in order.
    public let columns: [String]
    /// The values, in order.
    public let values: [SQLiteValue]

    /// The value of the column at `index`, from 0.
    ///
    /// - Precondition: the row has that many columns.
    public subscript(index: Int) -> SQLiteValue { values[index] }

    /// Reads the column with this name, the first of several.
    ///
    /// - Throws: `SQLiteError` `.decoding` when there is no such column, or its value is NULL or
    ///   of another type. Ask for an optional where NULL is expected.
    public func decode<Value: SQLiteConvertible>(
        _ column: String, as type: Value.Type = Value.self
    ) throws -> Value {
        guard let index = columns.firstIndex(of: column) else {
            throw SQLiteError(
                code: .decoding,
                message: "the result has no column \(column), only "
                    + columns.joined(separator: ", "))
        }
        return try decode(index, as: type)
    }

    /// Reads the column at `index`, from 0.
    ///
    /// - Precondition: the row has that many columns.
    /// - Throws: `SQLiteError` `.decoding`.
    public func decode<Value: SQLiteConvertible>(
        _ index: Int, as type: Value.Type = Value.self
    ) throws -> Value {
        guard let value = Value.fromSQLite(values[index]) else {
            throw SQLiteError(
                code: .decoding,
                message: "column \(columns[index]) holds \(values[index].kind), not \(type)")
        }
        return value
    }
}

extension SQLiteValue {
    /// The storage class, for messages that must not quote the value.
    var kind: String {
        switch self {
        case .null: "NULL"
        case .integer: "an integer"
        case .real: "a float"
        case .text: "text"
        case .blob: "a blob"
        }
    }
}
