import CSQLite

/// One prepared statement, finalized with its owner.
@safe final class SQLiteStatement {
    private let pointer: OpaquePointer
    private let connection: OpaquePointer
    private(set) var columns: [String]
    /// How often SQLite had prepared the statement anew when `columns` was read.
    private var preparations: Int32 = 0
    /// When it was used last, for the cache.
    var used: UInt64 = 0

    /// Prepares `sql` (sqlite3_prepare_v3), which must be exactly one statement.
    @unsafe init(_ sql: String, on connection: OpaquePointer, isKept: Bool) throws {
        var prepared: OpaquePointer?
        var isWhole = true
        var text = sql
        let result = text.withUTF8 { bytes in
            unsafe bytes.withMemoryRebound(to: CChar.self) { characters in
                var tail: UnsafePointer<CChar>?
                let flags = isKept ? UInt32(SQLITE_PREPARE_PERSISTENT) : 0
                let result = unsafe sqlite3_prepare_v3(
                    connection, characters.baseAddress, Int32(clamping: characters.count), flags,
                    &prepared, &tail)
                if let tail = unsafe tail, let base = characters.baseAddress {
                    let rest = unsafe bytes[(tail - base)...]
                    isWhole = unsafe rest.allSatisfy { $0 == 0x20 || $0 == 0x0a || $0 == 0x3b }
                }
                return result
            }
        }
        guard result == SQLITE_OK else { throw unsafe SQLiteStatement.failure(connection) }
        guard let prepared = unsafe prepared else {
            throw SQLiteError(code: .statement, message: "the statement is empty")
        }
        guard isWhole else {
            unsafe sqlite3_finalize(prepared)
            throw SQLiteError(
                code: .statement, message: "more than one statement; use execute(script:)")
        }
        unsafe pointer = unsafe prepared
        unsafe self.connection = unsafe connection
        columns = unsafe SQLiteStatement.columns(of: prepared)
    }

    @unsafe private static func columns(of statement: OpaquePointer) -> [String] {
        unsafe (0..<sqlite3_column_count(statement)).map { index in
            unsafe sqlite3_column_name(statement, index).map { unsafe String(cString: $0) } ?? ""
        }
    }

    /// A changed schema makes SQLite prepare the statement anew during its first step, and `*` may
    /// then stand for other columns.
    private func refreshColumns() {
        let now = unsafe sqlite3_stmt_status(pointer, SQLITE_STMTSTATUS_REPREPARE, 0)
        guard now != preparations else { return }
        preparations = now
        columns = unsafe SQLiteStatement.columns(of: pointer)
    }

    deinit {
        unsafe sqlite3_finalize(pointer)
    }

    /// Binds the values, steps to the end and copies every row; the statement is ready for
    /// another run afterwards, also after an error.
    func run(_ values: [SQLiteValue], limit: Int) throws -> [SQLiteRow] {
        // Finalized only behind this: the pointer alone does not keep a statement.
        defer { extendLifetime(self) }
        defer {
            unsafe sqlite3_reset(pointer)
            unsafe sqlite3_clear_bindings(pointer)
        }
        guard unsafe sqlite3_bind_parameter_count(pointer) == values.count else {
            throw SQLiteError(
                code: .statement, message: "the statement does not take \(values.count) values")
        }
        for (index, value) in values.enumerated() { try bind(value, at: Int32(index + 1)) }
        var rows: [SQLiteRow] = []
        while true {
            switch unsafe sqlite3_step(pointer) {
            case SQLITE_DONE: return rows
            case SQLITE_ROW:
                guard rows.count < limit else { return rows }
                if rows.isEmpty { refreshColumns() }
                rows.append(row())
            default: throw unsafe SQLiteStatement.failure(connection)
            }
        }
    }

    private func bind(_ value: SQLiteValue, at index: Int32) throws {
        let result =
            switch value {
            case .null: unsafe sqlite3_bind_null(pointer, index)
            case .integer(let number): unsafe sqlite3_bind_int64(pointer, index, number)
            case .real(let number): unsafe sqlite3_bind_double(pointer, index, number)
            case .text(let text):
                unsafe berth_sqlite_bind_text(pointer, index, text, UInt64(text.utf8.count))
            case .blob(let bytes):
                // An empty array may have no address, and no address would bind NULL.
                unsafe bytes.isEmpty
                    ? sqlite3_bind_zeroblob(pointer, index, 0)
                    : berth_sqlite_bind_blob(pointer, index, bytes, UInt64(bytes.count))
            }
        guard result == SQLITE_OK else { throw unsafe SQLiteStatement.failure(connection) }
    }

    private func row() -> SQLiteRow {
        SQLiteRow(columns: columns, values: (0..<columns.count).map { value(Int32($0)) })
    }

    private func value(_ column: Int32) -> SQLiteValue {
        switch unsafe sqlite3_column_type(pointer, column) {
        case SQLITE_INTEGER: return .integer(unsafe sqlite3_column_int64(pointer, column))
        case SQLITE_FLOAT: return .real(unsafe sqlite3_column_double(pointer, column))
        case SQLITE_TEXT:
            guard let text = unsafe sqlite3_column_text(pointer, column) else { return .text("") }
            let count = Int(unsafe sqlite3_column_bytes(pointer, column))
            return unsafe .text(
                String(decoding: UnsafeBufferPointer(start: text, count: count), as: UTF8.self))
        case SQLITE_BLOB:
            guard let blob = unsafe sqlite3_column_blob(pointer, column) else { return .blob([]) }
            let count = Int(unsafe sqlite3_column_bytes(pointer, column))
            return unsafe .blob([UInt8](UnsafeRawBufferPointer(start: blob, count: count)))
        default: return .null
        }
    }

    /// The connection's last error.
    @unsafe static func failure(_ connection: OpaquePointer) -> SQLiteError {
        let message = unsafe sqlite3_errmsg(connection).map { unsafe String(cString: $0) }
        return SQLiteError(
            result: unsafe sqlite3_extended_errcode(connection), message: message ?? "no reason")
    }
}
