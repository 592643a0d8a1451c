/// An inode that is not the same in two snapshots.
public struct SnapshotChange: Sendable, Hashable {
    /// Its number.
    public let inode: UInt64
    /// What it was, or nil where it is new.
    public let base: SnapshotInode?
    /// What it is, or nil where it is gone.
    public let now: SnapshotInode?
    /// Whether a directory's entries differ.
    public let hasOtherEntries: Bool
}
