/// A failure of the hub's own set-up or store, with the way out.
struct HubError: Error, Sendable, CustomStringConvertible {
    /// What kind of failure it is; decides the exit code.
    enum Code: Sendable, Equatable {
        /// The configuration or the command line is wrong.
        case configuration
        /// The data directory is in use, or not the one that is meant.
        case dataDirectory
        /// The master key is missing, readable by others, or does not fit the database.
        case masterKey
        /// The database cannot be used.
        case database
        /// A sealed secret cannot be opened.
        case secret
        /// A bucket cannot be used.
        case bucket
        /// The event log, or what follows from it, is not as it should be.
        case log
    }

    let code: Code
    let message: String
    /// What to do about it.
    let hint: String?
    let cause: (any Error)?

    init(_ code: Code, _ message: String, hint: String? = nil, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.hint = hint
        self.cause = cause
    }

    var description: String {
        let reason = cause.map { ": \($0)" } ?? ""
        return hint.map { "\(message)\(reason); \($0)" } ?? message + reason
    }
}
