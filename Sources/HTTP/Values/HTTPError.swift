/// A failure of a request, a response, a listener or a certificate.
public struct HTTPError: Error, Sendable, CustomStringConvertible {
    /// What kind of failure it is.
    public enum Code: String, Sendable, Equatable {
        /// No connection could be made: refused, unreachable, name unknown, a handshake that broke.
        case couldNotConnect
        /// The name is that of an address that nothing is sent to, such as a metadata service.
        case addressRefused
        /// The peer's certificate is not accepted, or one of our own cannot be used.
        case tls
        /// The deadline passed, or nothing moved for too long.
        case timeout
        /// The peer closed or reset the connection before the exchange was complete.
        case connectionReset
        /// A body is larger than its limit.
        case tooLarge
        /// The peer does not speak HTTP as it should.
        case protocolViolation
        /// The request or response that the caller handed in cannot be sent.
        case invalidMessage
        /// The target of a request, or one of its headers, is malformed.
        case badRequest
        /// The server has more requests waiting than it accepts.
        case overloaded
        /// The address is in use, or may not be listened on.
        case couldNotListen
        /// The server is stopping, or the client is closed.
        case closed
        /// A certificate or key cannot be read, made or used.
        case certificate
        /// A certificate is not the one that was pinned.
        case fingerprintMismatch
    }

    /// What kind of failure it is.
    public let code: Code
    /// What was tried, on what, why it failed, and where there is one the way out.
    public let message: String
    /// The system's error number, or 0 where there is none (errno(3)).
    public let errno: Int32

    /// - Parameters:
    ///   - code: what kind of failure it is.
    ///   - message: what was tried, on what, and why it failed.
    ///   - errno: the system's error number, 0 for none.
    public init(code: Code, message: String, errno: Int32 = 0) {
        self.code = code
        self.message = message
        self.errno = errno
    }

    /// The message.
    public var description: String { message }
}
