/// What keeps the detection of changes from missing one; each guards against a measured trap.
///
/// All are always on: tests switch one off to prove that it is needed.
public struct DetectionGuards: OptionSet, Sendable, Hashable {
    public let rawValue: UInt8

    /// - Parameter rawValue: a bit for each guard.
    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// A: both snapshots are of the same volume, one after the other.
    ///
    /// A volume that was rolled back has old content with old transaction numbers.
    public static let lineage = DetectionGuards(rawValue: 1 << 0)
    /// B: an inode with any item in a new leaf is compared, whatever its inode item says, which
    /// stays old after a failed update (Linux 951555856b88).
    public static let leaves = DetectionGuards(rawValue: 1 << 1)
    /// C: the base was never writable since it was taken.
    public static let pristineBase = DetectionGuards(rawValue: 1 << 2)
    /// D: the search begins with the transaction that took the base; its `generation` rises later,
    /// when it is itself snapshotted.
    public static let boundary = DetectionGuards(rawValue: 1 << 3)
    /// E: a range of a file is unchanged only where both snapshots map it to the same bytes on the
    /// disk; the age of an extent says nothing, because clones keep it and holes have none.
    public static let extents = DetectionGuards(rawValue: 1 << 4)
    /// F: what an entry is, is told by its location's type and its inode's generation too: numbers
    /// of subvolumes and inodes overlap, and inode numbers come back after a rollback.
    public static let identity = DetectionGuards(rawValue: 1 << 5)

    /// Every guard.
    public static let all = DetectionGuards(rawValue: 63)
}
