/// A failure of the agent itself, outside any operation.
public struct AgentError: Error, Sendable, CustomStringConvertible {
    /// What kind of failure it is.
    public enum Code: String, Sendable, Hashable {
        /// The command line is not one that the agent understands.
        case usage
        /// The configuration cannot be used; the message names line and column.
        case configuration
        /// The data directory holds no identity, or one already.
        case identity
        /// The file system for volumes is missing, not btrfs, or not this ledger's.
        case storage
        /// The ledger is damaged, or of another version.
        case ledger
        /// The hub refused; the message says why.
        case refused
        /// No hub can be reached.
        case unreachable
        /// The hub's answer is not one of the protocol.
        case protocolViolation
        /// The lease of an operation is gone: stop and report nothing.
        case leaseLost
    }

    /// What kind of failure it is.
    public let code: Code
    /// What happened to what, and the way out.
    public let message: String
    /// The error that caused this one, if any.
    public let cause: (any Error)?

    public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    /// The exit code of a command that ends with this error.
    public var exitCode: Int32 {
        switch code {
        case .usage, .configuration: 2
        case .identity, .storage: 5
        case .refused: 6
        case .unreachable: 7
        case .ledger, .protocolViolation, .leaseLost: 1
        }
    }

    public var description: String { cause.map { "\(message): \($0)" } ?? message }
}
