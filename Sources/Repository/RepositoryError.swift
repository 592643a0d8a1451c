/// A failure of a repository: of what it holds, of its key, of its store, or of a limit.
public struct RepositoryError: Error, Sendable, CustomStringConvertible {
    /// What kind of failure it is; the object or path concerned comes with it.
    public enum Code: Sendable, Hashable {
        /// The object (`data/ab/ab…`, `index/…`, `blob …`) is not what its name, its MAC or the
        /// format says.
        case corrupt(object: String)
        /// The object should be there and is not.
        case missing(object: String)
        /// No key file opens with this password, or the key opens nothing here.
        case wrongKey
        /// The repository, or a part of it, is of a version or kind that this program cannot use.
        case unsupported
        /// There is a repository here already.
        case alreadyExists
        /// Another process holds a conflicting lock.
        case locked
        /// A value is beyond a documented limit.
        case limitExceeded
        /// The caller's input cannot be used: an invalid name, path or parameter.
        case invalidInput
        /// The object store failed; `cause` says how.
        case store
        /// A file or directory could not be read or written; `cause` says how.
        case fileSystem(path: String)
        /// A cryptographic or compression library failed on valid input.
        case library
        /// What was written is not what was to be written: a verification before publishing failed.
        case verificationFailed
    }

    /// What kind of failure it is.
    public let code: Code
    /// What was tried, on what, and the way out where there is one.
    public let message: String
    /// The error that caused this one, if any.
    public let cause: (any Error)?

    /// Makes an error; `cause` is nil where this module found the failure itself.
    public init(code: Code, message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    /// An object that is not what it should be.
    public static func corrupt(_ object: String, _ reason: String) -> RepositoryError {
        RepositoryError(code: .corrupt(object: object), message: "\(object) is corrupt: \(reason)")
    }

    /// The message and its causes.
    public var description: String {
        cause.map { "\(message): \($0)" } ?? message
    }
}

extension RepositoryError {
    /// Whether something of the repository is missing or is not what it should be.
    public var isDamage: Bool {
        switch code {
        case .missing, .corrupt: true
        case .wrongKey, .unsupported, .store, .fileSystem, .alreadyExists, .locked,
            .limitExceeded, .invalidInput, .library, .verificationFailed:
            cause.map { ($0 as? RepositoryError)?.isDamage ?? false } ?? false
        }
    }
}
