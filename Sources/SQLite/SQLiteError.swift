/// A failure of the embedded database (SQLite, Result and Error Codes).
public struct SQLiteError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What kind of failure it is.
    public enum Code: Sendable, Equatable {
        /// Another connection holds the lock for longer than the busy timeout (SQLITE_BUSY,
        /// SQLITE_LOCKED).
        case busy
        /// The disk is full (SQLITE_FULL).
        case diskFull
        /// The file is damaged or no database (SQLITE_CORRUPT, SQLITE_NOTADB).
        case corrupt
        /// A constraint of the schema is violated (SQLITE_CONSTRAINT); `extendedCode` says which
        /// kind.
        case constraint
        /// Reading or writing the file failed (SQLITE_IOERR).
        case inputOutput
        /// The file cannot be opened (SQLITE_CANTOPEN).
        case cannotOpen
        /// The file or the access is read-only (SQLITE_READONLY, SQLITE_PERM, SQLITE_AUTH).
        case readOnly
        /// The statement is wrong (SQLITE_ERROR, SQLITE_RANGE, SQLITE_MISMATCH).
        case statement
        /// A value or statement is too large (SQLITE_TOOBIG).
        case tooBig
        /// The task was cancelled, or the statement interrupted (SQLITE_INTERRUPT).
        case interrupted
        /// Out of memory (SQLITE_NOMEM).
        case outOfMemory
        /// The database has been closed.
        case closed
        /// A transaction was begun inside a transaction.
        case nested
        /// A column is missing, NULL or of another type than asked for.
        case decoding
        /// The file's schema is newer than the program's migrations.
        case newerSchema
        /// Any other result code.
        case other
    }

    /// What kind of failure it is.
    public let code: Code
    /// SQLite's extended result code, 0 when the failure is of this module.
    public let extendedCode: Int32
    /// What happened; SQLite's words where it is SQLite's failure.
    public let message: String

    /// Makes an error of this module's own.
    public init(code: Code, message: String) {
        self.code = code
        self.extendedCode = 0
        self.message = message
    }

    /// From an extended result code.
    init(result: Int32, message: String) {
        code = SQLiteError.code(of: result)
        extendedCode = result
        self.message = message
    }

    /// Whether a unique or primary key constraint was violated (SQLITE_CONSTRAINT_UNIQUE 2067,
    /// SQLITE_CONSTRAINT_PRIMARYKEY 1555).
    public var isUniqueViolation: Bool { extendedCode == 2067 || extendedCode == 1555 }

    private static func code(of result: Int32) -> Code {
        switch result & 0xff {
        case 1, 20, 25: .statement
        case 3, 8, 23: .readOnly
        case 5, 6: .busy
        case 7: .outOfMemory
        case 9: .interrupted
        case 10: .inputOutput
        case 11, 26: .corrupt
        case 13: .diskFull
        case 14: .cannotOpen
        case 18: .tooBig
        case 19: .constraint
        default: .other
        }
    }

    public var description: String {
        extendedCode == 0 ? message : "\(message) (SQLite result \(extendedCode))"
    }
}
