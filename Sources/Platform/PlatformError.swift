/// A failure of the operating system or of a limit that this module keeps.
public struct PlatformError: Error, Sendable, CustomStringConvertible {
    /// What kind of failure it is.
    public enum Code: Sendable, Equatable {
        /// A system call failed; `errno` says why.
        case systemCall
        /// A child process could not be started, or ended in a way the caller cannot use.
        case childProcess
        /// A value from outside is beyond a documented limit.
        case limitExceeded
        /// Another process holds the lock; the message names it.
        case locked
        /// The executor or pool has been shut down.
        case closed
    }

    /// What kind of failure it is.
    public let code: Code
    /// What was tried, on what; without the reason that `errno` gives.
    public let message: String
    /// The system's error number, or 0 where there is none (errno(3)).
    public let errno: Int32

    /// A failure; see the properties.
    public init(code: Code, message: String, errno: Int32 = 0) {
        self.code = code
        self.message = message
        self.errno = errno
    }

    /// The message and the text of the error number.
    public var description: String {
        errno == 0 ? message : "\(message): \(describe(errno: errno))"
    }
}
