/// What a statement answered, copied out of libpq's memory.
public struct PostgresResult: Sendable {
    /// The rows, in the server's order.
    public let rows: [PostgresRow]
    /// How many rows the statement inserted, updated, deleted or selected; 0 for others.
    public let affectedRows: Int
    /// The command tag, such as `INSERT 0 1` or `COMMIT`.
    public let commandTag: String

    /// The columns' names, in order; empty when the statement returns no rows.
    public let columns: [String]

    /// The first row, for statements that give at most one.
    public var first: PostgresRow? { rows.first }

    /// The first row of a statement that always gives one.
    ///
    /// - Throws: `PostgresError` `.decoding` when there is none.
    public func one() throws -> PostgresRow {
        guard let row = rows.first else {
            throw PostgresError(code: .decoding, message: "the statement gave no row")
        }
        return row
    }
}

/// The memory that the rows of one result share.
final class PostgresResultStorage: Sendable {
    let columns: [String]
    let types: [UInt32]
    /// All values one after another.
    let bytes: [UInt8]
    /// Row by row, where each value ends, or nil for NULL and where that value would begin.
    let ends: [Int]
    let isNull: [Bool]

    init(columns: [String], types: [UInt32], bytes: [UInt8], ends: [Int], isNull: [Bool]) {
        self.columns = columns
        self.types = types
        self.bytes = bytes
        self.ends = ends
        self.isNull = isNull
    }
}
