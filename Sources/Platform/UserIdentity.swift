/// The user and group that a child runs as; supplementary groups are dropped.
public struct UserIdentity: Sendable, Hashable {
    /// The user id.
    public let userID: UInt32
    /// The group id.
    public let groupID: UInt32

    /// A user and a group by number.
    public init(userID: UInt32, groupID: UInt32) {
        self.userID = userID
        self.groupID = groupID
    }
}
