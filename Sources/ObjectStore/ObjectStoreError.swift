/// A failure of an object store, the same for every kind of store.
public struct ObjectStoreError: Error, Sendable, CustomStringConvertible {
    /// What kind of failure it is.
    public enum Code: String, Sendable, Hashable {
        /// No object has this name.
        case notFound
        /// Another object has this name and a different length; nothing was replaced.
        case alreadyExists
        /// The store does not let this caller do that.
        case denied
        /// The store does not do that at all: deleting through a host's grant, for instance.
        case notAllowed
        /// There is no room left; nothing of the object remains.
        case full
        /// The store cannot be reached or is overloaded; trying again later may succeed.
        case unavailable
        /// The hub, through which a host uses a store, cannot be reached or is overloaded; it says
        /// nothing of the store, and trying again later may succeed.
        case hubUnavailable
        /// What arrived is not what was sent: its length or its SHA-256 differs.
        case digest
        /// The name is not a valid object name.
        case invalidName
        /// A value is beyond a documented limit.
        case limitExceeded
        /// The right to write was lost: another worker has the operation (HTTP 409).
        case leaseLost
        /// The bucket itself is missing or not usable.
        case bucketMissing
        /// The provider does not know the credentials, or the signature is not theirs.
        case credentialsRefused
        /// The clocks of this machine and of the provider differ by more than signatures allow.
        case clockSkew
        /// What describes a bucket cannot be used: its endpoint, name, region or options.
        case invalidConfiguration
        /// The range asked for goes beyond the end of the object.
        case outOfRange
        /// Any other failure of the store below; `cause` says how.
        case failed
    }

    /// What kind of failure it is.
    public let code: Code
    /// What was tried, on what object, and the way out where there is one.
    public let message: String
    /// The error that caused this one, if any.
    public let cause: (any Error)?

    /// Makes an error; `cause` is nil where the store found the failure itself.
    public init(code: Code, message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    /// What a failure means for the next attempt.
    public enum FailureClass: String, Sendable, Hashable {
        /// Trying the same again later may succeed.
        case retryable
        /// The same attempt fails again; others may succeed.
        case terminal
        /// Nothing on this bucket succeeds until somebody mends it.
        case pausing
    }

    /// What the failure means for the next attempt.
    public var failureClass: FailureClass {
        switch code {
        case .unavailable, .hubUnavailable: .retryable
        case .bucketMissing, .credentialsRefused, .clockSkew: .pausing
        case .notFound, .alreadyExists, .denied, .notAllowed, .full, .digest, .invalidName,
            .limitExceeded, .leaseLost, .invalidConfiguration, .outOfRange, .failed:
            .terminal
        }
    }

    /// Whether trying the same again later may succeed.
    public var isRetryable: Bool { failureClass == .retryable }

    /// The message and its causes.
    public var description: String {
        cause.map { "\(message): \($0)" } ?? message
    }
}
