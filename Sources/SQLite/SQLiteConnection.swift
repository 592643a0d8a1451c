import CSQLite
import Glibc
import Platform

/// The handle that a closure of `SQLiteDatabase.read` or `write` works with, synchronously; it
/// must not leave the closure.
@safe public final class SQLiteConnection {
    private let pointer: OpaquePointer
    private let statementLimit: Int
    private var statements: [String: SQLiteStatement] = [:]
    private var clock: UInt64 = 0

    /// The most rows that one query may answer.
    public static let rowLimit = 1_000_000

    init(path: String, options: SQLiteOptions) throws {
        guard !path.utf8.contains(0) else {
            throw SQLiteError(code: .cannotOpen, message: "the path holds a NUL byte")
        }
        if options.creates, !options.isReadOnly, path != ":memory:" {
            try SQLiteConnection.makePrivate(path)
        }
        var opened: OpaquePointer?
        var flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        if options.isReadOnly {
            flags |= SQLITE_OPEN_READONLY
        } else {
            flags |= SQLITE_OPEN_READWRITE | (options.creates ? SQLITE_OPEN_CREATE : 0)
        }
        let result = unsafe sqlite3_open_v2(path, &opened, flags, nil)
        guard let opened = unsafe opened else {
            throw SQLiteError(code: .outOfMemory, message: "cannot open \(path)")
        }
        unsafe pointer = unsafe opened
        statementLimit = max(1, options.statementLimit)
        guard result == SQLITE_OK else {
            let reason = unsafe String(cString: sqlite3_errmsg(opened))
            throw SQLiteError(result: result, message: "cannot open \(path): \(reason)")
        }
        try setUp(options)
    }

    deinit {
        statements = [:]
        unsafe sqlite3_close_v2(pointer)
    }

    /// Makes a missing file readable for its owner alone; SQLite's own files beside it follow.
    ///
    /// A file that is there is not opened: closing it again would drop the locks that other
    /// connections of this process hold on it (How To Corrupt An SQLite Database File, 2.2).
    private static func makePrivate(_ path: String) throws {
        do {
            _ = try Descriptor(opening: path, flags: O_RDWR | O_CREAT | O_EXCL, mode: 0o600)
        } catch let error as PlatformError where error.errno == EEXIST {
            return
        } catch {
            throw SQLiteError(code: .cannotOpen, message: "cannot make \(error)")
        }
    }

    private func setUp(_ options: SQLiteOptions) throws {
        let (seconds, attoseconds) = options.busyTimeout.components
        let milliseconds = seconds.multipliedReportingOverflow(by: 1000).partialValue
        unsafe sqlite3_busy_timeout(
            pointer, Int32(clamping: milliseconds + attoseconds / 1_000_000_000_000_000))
        if !options.isReadOnly {
            let mode = try query("PRAGMA journal_mode = WAL").first?.decode(0, as: String.self)
            // An in-memory database has no journal file and answers "memory".
            guard mode == "wal" || mode == "memory" else {
                throw SQLiteError(
                    code: .other,
                    message: "the file system does not carry a write-ahead log "
                        + "(journal mode \(mode ?? "unknown"))")
            }
        }
        try execute(script: "PRAGMA synchronous = \(options.synchronous.rawValue)")
        // A log that one long reader made large shrinks again at the next checkpoint.
        try execute(
            script: """
                PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;
                PRAGMA journal_size_limit = 67108864
                """)
    }

    /// Runs one statement and answers its rows.
    ///
    /// - Throws: `SQLiteError`; beyond `rowLimit` rows `.tooBig`.
    public func query(_ text: SQLiteStatementText) throws -> [SQLiteRow] {
        try query(text.sql, text.values)
    }

    /// Runs one statement with `?` for values and answers its rows.
    ///
    /// - Throws: as `query(_:)`.
    public func query(_ sql: StaticString, _ values: [SQLiteValue]) throws -> [SQLiteRow] {
        try query(sql.description, values)
    }

    /// Runs one statement and answers its first row, if any.
    ///
    /// - Throws: `SQLiteError`.
    public func queryFirst(_ text: SQLiteStatementText) throws -> SQLiteRow? {
        try statement(text.sql).run(text.values, limit: 1).first
    }

    /// Runs one statement that answers no rows.
    ///
    /// - Returns: how many rows it inserted, updated or deleted; 0 for others.
    /// - Throws: `SQLiteError`.
    @discardableResult
    public func execute(_ text: SQLiteStatementText) throws -> Int {
        try execute(text.sql, text.values)
    }

    /// Runs one statement with `?` for values.
    ///
    /// - Returns: how many rows it inserted, updated or deleted; 0 for others.
    /// - Throws: `SQLiteError`.
    @discardableResult
    public func execute(_ sql: StaticString, _ values: [SQLiteValue]) throws -> Int {
        try execute(sql.description, values)
    }

    /// Runs several statements without values (sqlite3_exec).
    ///
    /// - Throws: `SQLiteError`; what ran before the failing statement stays, unless a transaction
    ///   is open.
    public func execute(script: String) throws {
        guard !script.utf8.contains(0) else {
            throw SQLiteError(code: .statement, message: "the script holds a NUL byte")
        }
        guard unsafe sqlite3_exec(pointer, script, nil, nil, nil) == SQLITE_OK else {
            throw unsafe SQLiteStatement.failure(pointer)
        }
    }

    /// The row id of the last row inserted through this connection.
    public var lastInsertedRowID: Int64 { unsafe sqlite3_last_insert_rowid(pointer) }

    /// Whether a transaction is open.
    var isInTransaction: Bool { unsafe sqlite3_get_autocommit(pointer) == 0 }

    /// Gives up all prepared statements.
    func forgetStatements() { statements = [:] }

    private func query(_ sql: String, _ values: [SQLiteValue]) throws -> [SQLiteRow] {
        let limit = SQLiteConnection.rowLimit
        let rows = try statement(sql).run(values, limit: limit + 1)
        guard rows.count <= limit else {
            throw SQLiteError(code: .tooBig, message: "more than \(limit) rows; add a LIMIT")
        }
        return rows
    }

    private func execute(_ sql: String, _ values: [SQLiteValue]) throws -> Int {
        let before = unsafe sqlite3_total_changes64(pointer)
        _ = try statement(sql).run(values, limit: SQLiteConnection.rowLimit)
        guard unsafe sqlite3_total_changes64(pointer) != before else { return 0 }
        return Int(unsafe sqlite3_changes64(pointer))
    }

    private func statement(_ sql: String) throws -> SQLiteStatement {
        clock += 1
        if let known = statements[sql] {
            known.used = clock
            return known
        }
        let made = try unsafe SQLiteStatement(sql, on: pointer, isKept: true)
        made.used = clock
        if statements.count >= statementLimit,
            let oldest = statements.min(by: { $0.value.used < $1.value.used })
        {
            statements[oldest.key] = nil
        }
        statements[sql] = made
        return made
    }
}
