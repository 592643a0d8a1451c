/// Something took longer than it was allowed to; it has been stopped.
public struct DeadlineExceeded: Error, Sendable, CustomStringConvertible {
    /// What was being done.
    public let what: String
    /// How long it was given.
    public let limit: Duration

    /// - Parameters:
    ///   - what: what was being done, on what.
    ///   - limit: how long it was given.
    public init(_ what: String, limit: Duration) {
        self.what = what
        self.limit = limit
    }

    /// What was being done, and the limit.
    public var description: String { "\(what): not finished within \(limit)" }
}
