/// One message of NOTIFY.
public struct PostgresNotification: Sendable, Equatable {
    /// The channel's name.
    public let channel: String
    /// The text that NOTIFY carried, at most 8 000 bytes; empty when none.
    public let payload: String
}
