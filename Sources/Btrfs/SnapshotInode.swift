/// An inode of a snapshot, as its items describe it.
public struct SnapshotInode: Sendable, Hashable {
    /// One of its names: in which directory, and the raw bytes.
    public struct Name: Sendable, Hashable {
        /// The directory's inode number.
        public let directory: UInt64
        /// The name in it.
        public let name: [UInt8]
    }

    /// Its number, unique within the subvolume.
    public let number: UInt64
    /// The transaction that made it: tells it from an older inode with the same number.
    public let generation: UInt64
    /// `st_mode`.
    public let mode: UInt32
    /// Length of a file.
    public let sizeBytes: Int64
    /// All of its names; none for a file that was deleted while open.
    public let names: [Name]

    /// Whether it is a directory.
    public var isDirectory: Bool { mode & 0o170_000 == 0o040_000 }
    /// Whether it is a regular file.
    public var isFile: Bool { mode & 0o170_000 == 0o100_000 }

    /// From the items at these indices, which are all of one inode; nil where there is no inode item.
    init?(_ items: SnapshotItems, _ range: Range<Int>) {
        guard let first = range.first, items.keys[first].type == SnapshotItems.ItemType.inode,
            items[first].count >= 160
        else { return nil }
        // struct btrfs_inode_item
        let item = items[first]
        number = items.keys[first].inode
        generation = item.number(at: 0, as: UInt64.self)
        sizeBytes = item.number(at: 16, as: Int64.self)
        mode = item.number(at: 52, as: UInt32.self)
        var names: [Name] = []
        for index in range {
            switch items.keys[index].type {
            case SnapshotItems.ItemType.reference:
                Self.append(references: items[index], items.keys[index].offset, to: &names)
            case SnapshotItems.ItemType.extendedReference:
                Self.append(extendedReferences: items[index], to: &names)
            default: break
            }
        }
        self.names = names
    }

    /// struct btrfs_inode_ref: index (8), length of the name (2), name; one after another.
    private static func append(
        references item: ArraySlice<UInt8>, _ directory: UInt64, to names: inout [Name]
    ) {
        var offset = 0
        while offset + 10 <= item.count {
            let length = Int(item.number(at: offset + 8, as: UInt16.self))
            names.append(
                Name(directory: directory, name: item.bytes(at: offset + 10, count: length)))
            offset += 10 + length
        }
    }

    /// struct btrfs_inode_extref: directory (8), index (8), length of the name (2), name.
    private static func append(extendedReferences item: ArraySlice<UInt8>, to names: inout [Name]) {
        var offset = 0
        while offset + 18 <= item.count {
            let length = Int(item.number(at: offset + 16, as: UInt16.self))
            names.append(
                Name(
                    directory: item.number(at: offset, as: UInt64.self),
                    name: item.bytes(at: offset + 18, count: length)))
            offset += 18 + length
        }
    }
}

/// An entry of a directory of a snapshot.
public struct SnapshotEntry: Sendable, Hashable {
    /// What the name leads to.
    public enum Location: Sendable, Hashable {
        /// An inode of the same subvolume.
        case inode(UInt64)
        /// Another subvolume, of which a snapshot shows an empty directory.
        case subvolume(UInt64)
    }

    /// The raw bytes.
    public let name: [UInt8]
    /// What the name leads to.
    public let location: Location
    /// Whether that is a directory of the same subvolume.
    public let isDirectory: Bool
    /// Whether that is a socket.
    public let isSocket: Bool

    /// struct btrfs_dir_item: location (8 + 1 + 8), transid (8), lengths (2 + 2), type (1), name.
    init(_ item: UnsafeRawBufferPointer, guards: DetectionGuards) {
        let number = unsafe item.number(at: 0, as: UInt64.self)
        let isSubvolume =
            unsafe item.number(at: 8, as: UInt8.self) == SnapshotItems.ItemType.root
            && guards.contains(.identity)
        location = isSubvolume ? .subvolume(number) : .inode(number)
        unsafe name = item.bytes(at: 30, count: Int(item.number(at: 27, as: UInt16.self)))
        // BTRFS_FT_DIR, BTRFS_FT_SOCK
        let type = unsafe item.number(at: 29, as: UInt8.self)
        isDirectory = type == 2 && !isSubvolume
        isSocket = type == 6
    }
}
