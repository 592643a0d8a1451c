import Platform

/// One SQLite database file, worked with on a queue of its own.
///
/// The file is in WAL mode; with the default options every committed transaction survives a power
/// failure.
public actor SQLiteDatabase {
    private let queue: SerialQueue
    private let path: String
    private let options: SQLiteOptions
    private var connection: SQLiteConnection?

    nonisolated public var unownedExecutor: UnownedSerialExecutor {
        unsafe queue.asUnownedSerialExecutor()
    }

    private init(path: String, options: SQLiteOptions) {
        queue = SerialQueue(label: "berth.sqlite")
        self.path = path
        self.options = options
    }

    /// Opens a database file, or makes it.
    ///
    /// - Parameters:
    ///   - path: the file; SQLite keeps `-wal` and `-shm` files beside it. `:memory:` is a
    ///     database that ends with its owner.
    ///   - options: default WAL, synchronous full, 5 seconds busy timeout.
    /// - Throws: `SQLiteError`.
    public static func open(
        _ path: String, options: SQLiteOptions = SQLiteOptions()
    ) async throws -> SQLiteDatabase {
        let database = SQLiteDatabase(path: path, options: options)
        try await database.connect()
        return database
    }

    private func connect() throws {
        connection = try SQLiteConnection(path: path, options: options)
    }

    /// Runs `body` in a transaction that sees one state of the database; it must not change
    /// anything.
    ///
    /// - Throws: `SQLiteError`, also when `body` tries to write; what `body` throws.
    public func read<Answer>(
        _ body: sending (SQLiteConnection) throws -> sending Answer
    ) throws -> sending Answer {
        try transaction("BEGIN DEFERRED") { connection in
            try connection.execute(script: "PRAGMA query_only = ON")
            defer {
                // Switching it off again changes a flag in memory and cannot fail.
                try? connection.execute(script: "PRAGMA query_only = OFF")
            }
            return try body(connection)
        }
    }

    /// Runs `body` in a transaction: committed when it returns, rolled back when it throws.
    ///
    /// The transaction takes the write lock at its beginning (BEGIN IMMEDIATE), so that it cannot
    /// fail halfway because somebody else wrote.
    /// - Throws: `SQLiteError`: `.busy` when another connection holds the lock for longer than
    ///   the busy timeout; what `body` throws.
    @discardableResult
    public func write<Answer>(
        _ body: sending (SQLiteConnection) throws -> sending Answer
    ) throws -> sending Answer {
        try transaction("BEGIN IMMEDIATE", body)
    }

    /// Brings the schema up to date; each migration is one transaction with its number.
    ///
    /// - Parameter migrations: what leads from version 0 to 1, from 1 to 2, …; never edited.
    /// - Returns: the version before.
    /// - Throws: `SQLiteError` `.newerSchema` when the file's version (PRAGMA user_version) is
    ///   above the last migration.
    @discardableResult
    public func migrate(_ migrations: [String]) throws -> Int {
        let found = try write { try SQLiteDatabase.version($0) }
        guard found <= migrations.count else {
            throw SQLiteError(
                code: .newerSchema,
                message: "\(path) has schema version \(found), this program knows "
                    + "\(migrations.count); install the newer program")
        }
        for (index, sql) in migrations.enumerated() where index >= found {
            try write { connection in
                // Another process may have come first.
                guard try SQLiteDatabase.version(connection) == index else { return }
                try connection.execute(script: sql)
                guard connection.isInTransaction else {
                    throw SQLiteError(
                        code: .statement,
                        message: "migration \(index + 1) ends the transaction that it runs in")
                }
                try connection.execute(script: "PRAGMA user_version = \(index + 1)")
            }
        }
        return found
    }

    /// Reads the whole file and checks it (PRAGMA integrity_check, foreign_key_check).
    ///
    /// - Returns: what is wrong, at most 100 lines; empty when nothing is.
    /// - Throws: `SQLiteError`.
    public func integrityCheck() throws -> [String] {
        let connection = try live()
        let lines = try connection.query("PRAGMA integrity_check(100)").map {
            try $0.decode(0, as: String.self)
        }
        let orphans = try connection.query("PRAGMA foreign_key_check").prefix(100).map {
            "a row of \(try $0.decode(0, as: String.self)) refers to a missing row of "
                + "\(try $0.decode(2, as: String.self))"
        }
        return lines.filter { $0 != "ok" } + orphans
    }

    /// Moves the write-ahead log into the file and empties it (PRAGMA wal_checkpoint(TRUNCATE)).
    ///
    /// - Throws: `SQLiteError` `.busy` when another connection is reading or writing.
    public func checkpoint() throws {
        let row = try live().queryFirst("PRAGMA wal_checkpoint(TRUNCATE)")
        guard try row?.decode(0, as: Int.self) == 0 else {
            throw SQLiteError(code: .busy, message: "\(path) is in use; checkpoint later")
        }
    }

    /// Closes the database; later calls throw `.closed`.
    public func close() {
        connection = nil
    }

    private static func version(_ connection: SQLiteConnection) throws -> Int {
        try connection.queryFirst("PRAGMA user_version")?.decode(0, as: Int.self) ?? 0
    }

    private func live() throws -> SQLiteConnection {
        guard let connection else {
            throw SQLiteError(code: .closed, message: "\(path) has been closed")
        }
        return connection
    }

    private func transaction<Answer>(
        _ begin: String, _ body: (SQLiteConnection) throws -> sending Answer
    ) throws -> sending Answer {
        let connection = try live()
        guard !connection.isInTransaction else {
            throw SQLiteError(code: .nested, message: "a transaction of \(path) is open already")
        }
        try connection.execute(script: begin)
        do {
            let answer = try body(connection)
            try connection.execute(script: "COMMIT")
            return answer
        } catch {
            // A failed COMMIT may have left the transaction open, a full disk may have ended it.
            // Where even ROLLBACK fails the first error says more, and the next begin is refused.
            if connection.isInTransaction { try? connection.execute(script: "ROLLBACK") }
            throw error
        }
    }
}
