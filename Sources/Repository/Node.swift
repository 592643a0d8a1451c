/// One entry of a directory, as restic's trees hold it.
///
/// Berth writes *canonical* nodes, which hold only what a restore reproduces, so that two volumes
/// with the same visible state have the same root tree id on any host: access and change time
/// equal the modification time, user and group names are left out, and `inode` with a constant
/// `deviceID` appears only for hard links. Trees of stock restic are read as they are.
public struct Node: Sendable, Hashable {
    /// What an entry is; the raw value is restic's word for it.
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        case file
        case directory = "dir"
        case symlink
        case blockDevice = "dev"
        case characterDevice = "chardev"
        case fifo
        case socket
    }

    /// An extended attribute (xattr(7)); ACLs and capabilities are such.
    public struct ExtendedAttribute: Sendable, Hashable {
        /// The name's raw bytes, with its namespace: `user.comment`.
        public let name: [UInt8]
        /// Any bytes, at most 64 KiB.
        public let value: [UInt8]

        /// Makes an attribute.
        public init(name: [UInt8], value: [UInt8]) {
            self.name = name
            self.value = value
        }
    }

    /// The device number that canonical nodes of hard links carry.
    public static let canonicalDeviceID: UInt64 = 1

    /// The name's raw bytes.
    public var name: [UInt8]
    /// What the entry is.
    public var kind: Kind
    /// Permissions and kind.
    public var mode: NodeMode
    /// When the content was last changed.
    public var modified: NodeTime
    /// The owner's number.
    public var uid: UInt32
    /// The group's number.
    public var gid: UInt32
    /// What hard links of one file share, together with `deviceID`; 0 where there is one name.
    public var inode: UInt64 = 0
    /// See `inode`.
    public var deviceID: UInt64 = 0
    /// Length of a file; 0 for everything else.
    public var sizeBytes: UInt64 = 0
    /// How many names the file has in the tree; 0 for directories.
    public var links: UInt64 = 0
    /// A symlink's target, raw bytes.
    public var linkTarget: [UInt8] = []
    /// Sorted by raw name.
    public var extendedAttributes: [ExtendedAttribute] = []
    /// `st_rdev` of a device node.
    public var device: UInt64 = 0
    /// A file's chunks in order; empty for everything else.
    public var content: [BlobID] = []
    /// A directory's own tree.
    public var subtree: BlobID?

    /// Makes a node with what every node has.
    public init(
        name: [UInt8], kind: Kind, mode: NodeMode, modified: NodeTime, uid: UInt32, gid: UInt32
    ) {
        self.name = name
        self.kind = kind
        self.mode = mode
        self.modified = modified
        self.uid = uid
        self.gid = gid
    }

    /// The name as text for messages; bytes that are not UTF-8 are shown as U+FFFD.
    public var displayName: String { String(decoding: name, as: UTF8.self) }
}
