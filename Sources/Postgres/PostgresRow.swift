/// One row of a result.
public struct PostgresRow: Sendable {
    private let storage: PostgresResultStorage
    private let row: Int

    init(storage: PostgresResultStorage, row: Int) {
        self.storage = storage
        self.row = row
    }

    /// How many columns there are.
    public var count: Int { storage.columns.count }

    /// Decodes the column with this name, the first of several.
    ///
    /// - Throws: `PostgresError` `.decoding` when there is no such column, or its value is NULL
    ///   or of another form than `Value` needs. Ask for an optional where NULL is expected.
    public func decode<Value: PostgresDecodable>(
        _ column: String, as type: Value.Type = Value.self
    ) throws -> Value {
        guard let index = storage.columns.firstIndex(of: column) else {
            throw PostgresError(
                code: .decoding,
                message: "the result has no column \(column), only "
                    + storage.columns.joined(separator: ", "))
        }
        return try cell(index).decode(type)
    }

    /// The value of the column at `index`, from 0.
    ///
    /// - Precondition: `index` is less than `count`.
    public subscript(index: Int) -> PostgresCell {
        precondition(storage.columns.indices.contains(index), "no column \(index) in the result")
        return cell(index)
    }

    private func cell(_ column: Int) -> PostgresCell {
        let position = row * storage.columns.count + column
        let start = position == 0 ? 0 : storage.ends[position - 1]
        return PostgresCell(
            column: storage.columns[column], type: storage.types[column],
            bytes: storage.isNull[position] ? nil : storage.bytes[start..<storage.ends[position]])
    }
}
