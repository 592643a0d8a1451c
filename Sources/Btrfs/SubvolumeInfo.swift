import CBtrfs

/// What btrfs knows about a subvolume (BTRFS_IOC_GET_SUBVOL_INFO).
public struct SubvolumeInfo: Sendable, Hashable {
    /// Its number in this file system, never used again; 5 is the top level.
    public let id: UInt64
    /// Its own UUID; zero for the top level of old file systems.
    public let uuid: BtrfsUUID
    /// Of which subvolume it is a snapshot, or nil.
    public let parentUUID: BtrfsUUID?
    /// Which subvolume of another file system it was received from, or nil.
    public let receivedUUID: BtrfsUUID?
    /// The transaction of its root.
    public let generation: UInt64
    /// The transaction that last changed an inode in it.
    public let ctransid: UInt64
    /// The transaction that created it.
    public let otransid: UInt64
    /// The flags of its root item on disk.
    public let flags: UInt64

    /// Whether nothing in it can be written.
    public var isReadOnly: Bool { flags & 1 != 0 }

    init(_ info: btrfs_util_subvolume_info) {
        id = info.id
        uuid = unsafe withUnsafeBytes(of: info.uuid) { unsafe BtrfsUUID(bytes: $0) }
        let parent = unsafe withUnsafeBytes(of: info.parent_uuid) { unsafe BtrfsUUID(bytes: $0) }
        parentUUID = parent.isZero ? nil : parent
        let received = unsafe withUnsafeBytes(of: info.received_uuid) {
            unsafe BtrfsUUID(bytes: $0)
        }
        receivedUUID = received.isZero ? nil : received
        generation = info.generation
        ctransid = info.ctransid
        otransid = info.otransid
        flags = info.flags
    }
}
