/// Why an operation failed, or a request was refused.
public struct Failure: Error, Sendable, Codable, Hashable, CustomStringConvertible {
    /// What follows from a failure.
    public enum Class: String, Sendable, Codable {
        /// Trying again later may help.
        case retryable
        /// Trying again does not help before something is changed.
        case terminal
        /// The bucket cannot be used at all for now.
        case pausesBucket = "pauses-bucket"
    }

    /// A stable word, such as `volume-missing`.
    public var code: String
    /// What happened to what.
    public var message: String
    /// What to do about it.
    public var hint: String?
    /// What follows from it.
    public var `class`: Class

    public init(code: String, message: String, hint: String? = nil, class: Class = .terminal) {
        self.code = code
        self.message = message
        self.hint = hint
        self.class = `class`
    }

    public var description: String { hint.map { "\(message); \($0)" } ?? message }
}
