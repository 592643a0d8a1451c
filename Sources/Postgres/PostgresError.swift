/// A failure of a database call: of the server, of the connection, or of a limit kept here.
public struct PostgresError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What kind of failure it is.
    public enum Code: Sendable, Equatable {
        /// No connection could be made.
        case connectionFailed
        /// The connection broke, or was already broken, while a statement needed it. What the
        /// statement did is rolled back, except for a statement outside a transaction, which may
        /// have taken effect.
        case connectionLost
        /// The connection broke while `COMMIT` was under way: the transaction may have happened.
        case outcomeUnknown
        /// The server refused the statement with this SQLSTATE (PostgreSQL appendix A).
        case server(String)
        /// `COMMIT` rolled back, because a statement had failed and its error was swallowed.
        case transactionAborted
        /// A statement or connection attempt took longer than its limit.
        case timeout
        /// No connection of the pool became free within the acquire timeout.
        case poolExhausted
        /// The pool or connection has been closed, or a transaction was used after its end.
        case closed
        /// A value cannot be sent: a NUL byte in text, or too many parameters.
        case invalidParameter
        /// A column is missing, NULL or of another form than the type asked for.
        case decoding
        /// libpq answered something that the protocol does not allow at this point.
        case `protocol`
        /// The database's migrations and the program's do not fit together.
        case migration
        /// The private cluster could not be created, started or stopped.
        case cluster
    }

    /// What kind of failure it is.
    public let code: Code
    /// What happened, in the server's words where it is the server's failure.
    public var message: String
    /// The server's SQLSTATE, five characters, where there is one.
    public var sqlState: String?
    /// The violated constraint's name, for integrity violations.
    public var constraint: String?
    /// The table that the failure is about.
    public var table: String?
    /// The column that the failure is about.
    public var column: String?
    /// The server's further explanation; it may quote values.
    public var detail: String?
    /// The server's advice.
    public var hint: String?
    /// Where in the statement, or in which function of the server, it happened.
    public var context: String?

    /// Makes an error of this module's own.
    public init(code: Code, message: String) {
        self.code = code
        self.message = message
    }

    /// Whether the statement violated the unique constraint or index `constraint`, or any when
    /// it is nil (SQLSTATE 23505).
    public func isUniqueViolation(of constraint: String? = nil) -> Bool {
        sqlState == "23505" && (constraint == nil || constraint == self.constraint)
    }

    /// Whether the same transaction may succeed when it is run again: serialization failure
    /// (40001) or deadlock (40P01).
    public var isRetryableConflict: Bool { PostgresError.isRetryable(sqlState) }

    /// Whether a transaction that met this, other than in its COMMIT, surely left nothing behind, and
    /// may succeed when it is run again.
    var leavesNothing: Bool { isRetryableConflict || code == .connectionLost }

    static func isRetryable(_ sqlState: String?) -> Bool {
        sqlState == "40001" || sqlState == "40P01"
    }

    public var description: String {
        var text = message
        if let sqlState { text += " (SQLSTATE \(sqlState))" }
        if let constraint { text += ", constraint \(constraint)" }
        if let detail { text += ": \(detail)" }
        if let hint { text += ". \(hint)" }
        return text
    }
}
