/// An inode of a snapshot with all that stat(2), listxattr(2) and readlink(2) would tell of it.
@safe public struct SnapshotDetails: Sendable {
    /// An extended attribute.
    public struct Attribute: Sendable, Hashable {
        /// The raw name, with its namespace.
        public let name: [UInt8]
        /// The value.
        public let value: [UInt8]
    }

    /// Its number, unique within the subvolume.
    public let number: UInt64
    /// The transaction that made it: tells it from an older inode with the same number.
    public private(set) var generation: UInt64 = 0
    /// `st_mode`.
    public private(set) var mode: UInt32 = 0
    /// How many names it has.
    public private(set) var links: UInt32 = 0
    /// The owner.
    public private(set) var uid: UInt32 = 0
    /// The group.
    public private(set) var gid: UInt32 = 0
    /// Length of a file.
    public private(set) var sizeBytes: Int64 = 0
    /// When the content was last changed.
    public private(set) var modifiedSeconds: Int64 = 0
    /// The part of a second of that.
    public private(set) var modifiedNanoseconds: Int32 = 0
    /// `st_rdev` of a device node.
    public private(set) var specialDevice: UInt64 = 0
    /// Ascending by raw name.
    public private(set) var attributes: [Attribute] = []
    /// Where a symlink leads.
    public private(set) var linkTarget: [UInt8] = []
    /// Whether the whole content lies with the metadata, as it is: see
    /// `SnapshotReader.inlineContents`.
    public private(set) var isInline = false
    /// That content, where it was asked for.
    public private(set) var content: [UInt8]?

    private var hasInodeItem = false
    private let keepsContent: Bool

    init(number: UInt64, keepsContent: Bool) {
        self.number = number
        self.keepsContent = keepsContent
    }

    /// Whether it was there at all, with attributes in order.
    mutating func finish() -> Bool {
        if attributes.count > 1 {
            attributes.sort { $0.name.lexicographicallyPrecedes($1.name) }
        }
        return hasInodeItem
    }

    /// Takes one of its items; they come in the order of their keys.
    mutating func take(_ key: TreeSearch.Key, _ item: UnsafeRawBufferPointer) {
        switch key.type {
        case SnapshotItems.ItemType.inode: unsafe takeInode(item)
        case SnapshotItems.ItemType.attribute: unsafe takeAttributes(item)
        case SnapshotItems.ItemType.extent where key.offset == 0:
            guard let content = unsafe InlineExtent.content(of: item, sizeBytes: sizeBytes) else {
                return
            }
            isInline = true
            if mode & 0o170_000 == 0o120_000 {
                unsafe linkTarget = [UInt8](content)
            } else if keepsContent {
                unsafe self.content = [UInt8](content)
            }
        default: break
        }
    }

    /// struct btrfs_inode_item.
    private mutating func takeInode(_ item: UnsafeRawBufferPointer) {
        guard item.count >= 160 else { return }
        hasInodeItem = true
        unsafe generation = item.number(at: 0, as: UInt64.self)
        unsafe sizeBytes = item.number(at: 16, as: Int64.self)
        unsafe links = item.number(at: 40, as: UInt32.self)
        unsafe uid = item.number(at: 44, as: UInt32.self)
        unsafe gid = item.number(at: 48, as: UInt32.self)
        unsafe mode = item.number(at: 52, as: UInt32.self)
        unsafe modifiedSeconds = item.number(at: 136, as: Int64.self)
        unsafe modifiedNanoseconds = Int32(
            truncatingIfNeeded: item.number(at: 144, as: UInt32.self))
        // The kernel's own form, 12 bits of major and 20 of minor number, to that of stat(2).
        let device = unsafe item.number(at: 56, as: UInt64.self)
        let (major, minor) = (device >> 20, device & 0xF_FFFF)
        specialDevice = minor & 0xFF | major << 8 | (minor & ~0xFF) << 12
    }

    /// struct btrfs_dir_item, once for each attribute whose name has the same hash.
    private mutating func takeAttributes(_ item: UnsafeRawBufferPointer) {
        var offset = 0
        while offset + 30 <= item.count {
            let valueBytes = unsafe Int(item.number(at: offset + 25, as: UInt16.self))
            let nameBytes = unsafe Int(item.number(at: offset + 27, as: UInt16.self))
            attributes.append(
                Attribute(
                    name: unsafe item.bytes(at: offset + 30, count: nameBytes),
                    value: unsafe item.bytes(at: offset + 30 + nameBytes, count: valueBytes)))
            offset += 30 + nameBytes + valueBytes
        }
    }
}

/// Content that lies with the metadata (struct btrfs_file_extent_item of type inline).
enum InlineExtent {
    /// The content, where it is neither compressed nor encrypted and is all there is of a file of
    /// this length; nil otherwise.
    static func content(
        of item: UnsafeRawBufferPointer, sizeBytes: Int64
    ) -> UnsafeRawBufferPointer? {
        let headBytes = 21
        guard item.count > headBytes, unsafe item[20] == 0, unsafe item[16] == 0,
            unsafe item.number(at: 17, as: UInt8.self) == 0,
            unsafe item.number(at: 18, as: UInt16.self) == 0,
            Int64(item.count - headBytes) == sizeBytes,
            unsafe item.number(at: 8, as: Int64.self) == sizeBytes
        else { return nil }
        return unsafe UnsafeRawBufferPointer(rebasing: item[headBytes...])
    }
}
