/// The last entry of the hub's event log at some moment, as a host remembers it: a hub whose log does
/// not hold it has lost a part of its history.
public struct LogHead: Sendable, Codable, Hashable {
    /// The history that the log was of.
    public var history: TimelineID
    /// The entry's number; 0 for an empty log.
    public var sequence: Int64
    /// Its place in the chain of hashes, in hexadecimal.
    public var hash: String

    public init(history: TimelineID, sequence: Int64, hash: String) {
        self.history = history
        self.sequence = sequence
        self.hash = hash
    }
}
