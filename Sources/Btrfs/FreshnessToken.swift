/// Names the state of a subvolume's contents as of a moment when everything was on disk: two
/// equal tokens mean that nothing has changed in between.
public struct FreshnessToken: Sendable, Hashable {
    /// The file system; a token means nothing on another one.
    public let filesystem: BtrfsUUID
    /// The subvolume itself, not that which it is a snapshot of.
    public let subvolume: BtrfsUUID
    /// The transaction that last changed an inode of the subvolume.
    public let ctransid: UInt64

    /// A token as it was recorded.
    public init(filesystem: BtrfsUUID, subvolume: BtrfsUUID, ctransid: UInt64) {
        self.filesystem = filesystem
        self.subvolume = subvolume
        self.ctransid = ctransid
    }
}
