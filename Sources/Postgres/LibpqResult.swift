import CPostgres

/// One result of libpq, owned; everything that leaves it is a copy.
@safe struct LibpqResult: ~Copyable {
    private let pointer: OpaquePointer

    @unsafe init(owning pointer: OpaquePointer) {
        unsafe self.pointer = unsafe pointer
    }

    deinit {
        unsafe PQclear(pointer)
    }

    var status: ExecStatusType {
        defer { extendLifetime(self) }
        return unsafe PQresultStatus(pointer)
    }

    /// The rows and the command's outcome.
    func copied() -> PostgresResult {
        // Cleared only behind this: the pointer alone does not keep a result.
        defer { extendLifetime(self) }
        let columnCount = unsafe PQnfields(pointer)
        let rowCount = unsafe PQntuples(pointer)
        var columns: [String] = []
        var types: [UInt32] = []
        for column in 0..<columnCount {
            columns.append(unsafe String(cString: PQfname(pointer, column)))
            types.append(unsafe PQftype(pointer, column))
        }
        var bytes: [UInt8] = []
        var ends: [Int] = []
        var isNull: [Bool] = []
        ends.reserveCapacity(Int(rowCount) * Int(columnCount))
        isNull.reserveCapacity(Int(rowCount) * Int(columnCount))
        for row in 0..<rowCount {
            for column in 0..<columnCount {
                isNull.append(unsafe PQgetisnull(pointer, row, column) == 1)
                let length = Int(unsafe PQgetlength(pointer, row, column))
                if length > 0, let value = unsafe PQgetvalue(pointer, row, column) {
                    unsafe bytes.append(
                        contentsOf: UnsafeRawBufferPointer(start: value, count: length))
                }
                ends.append(bytes.count)
            }
        }
        let storage = PostgresResultStorage(
            columns: columns, types: types, bytes: bytes, ends: ends, isNull: isNull)
        let affected = unsafe PQcmdTuples(pointer).flatMap { unsafe Int(String(cString: $0)) }
        let tag = unsafe PQcmdStatus(pointer).map { unsafe String(cString: $0) }
        return PostgresResult(
            rows: (0..<Int(rowCount)).map { PostgresRow(storage: storage, row: $0) },
            affectedRows: affected ?? 0, commandTag: tag ?? "", columns: columns)
    }

    /// Whether the server ended the session with this error (severity FATAL or PANIC).
    var isFatal: Bool {
        let severity = field(berth_pg_diag_severity())
        return severity == "FATAL" || severity == "PANIC"
    }

    /// The error of a failed statement.
    func failure() -> PostgresError {
        let sqlState = field(berth_pg_diag_sqlstate())
        let code: PostgresError.Code =
            switch sqlState {
            case "57014": .timeout
            case let sqlState?: .server(sqlState)
            case nil: .connectionLost
            }
        defer { extendLifetime(self) }
        let whole = unsafe PQresultErrorMessage(pointer).map { unsafe String(cString: $0) }
        var error = PostgresError(
            code: code,
            message: field(berth_pg_diag_message()) ?? LibpqResult.trimmed(whole ?? "no reason"))
        error.sqlState = sqlState
        error.constraint = field(berth_pg_diag_constraint())
        error.table = field(berth_pg_diag_table())
        error.column = field(berth_pg_diag_column())
        error.detail = field(berth_pg_diag_detail())
        error.hint = field(berth_pg_diag_hint())
        error.context = field(berth_pg_diag_context())
        if error.context == nil, let position = field(berth_pg_diag_position()) {
            error.context = "at character \(position) of the statement"
        }
        return error
    }

    private func field(_ code: Int32) -> String? {
        defer { extendLifetime(self) }
        return unsafe PQresultErrorField(pointer, code).map { unsafe String(cString: $0) }
    }

    /// libpq's messages without the line ends at their end.
    static func trimmed(_ message: String) -> String {
        var text = message[...]
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return String(text)
    }
}
