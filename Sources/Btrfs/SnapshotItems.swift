import CBtrfs

/// Items of a range of inodes, copied out of a search: one buffer for all of their bytes.
struct SnapshotItems {
    /// The types of items that are told apart (linux/btrfs_tree.h).
    enum ItemType {
        static let inode: UInt8 = 1
        static let reference: UInt8 = 12
        static let extendedReference: UInt8 = 13
        static let attribute: UInt8 = 24
        static let directoryIndex: UInt8 = 96
        /// Items of directories alone (DIR_LOG_ITEM is never in a subvolume's tree).
        static let directoryEntries: ClosedRange<UInt8> = 84...96
        static let extent: UInt8 = 108
        /// The type of a location that is a subvolume (BTRFS_ROOT_ITEM_KEY).
        static let root: UInt8 = 132
    }

    private(set) var keys: [TreeSearch.Key] = []
    private var ends: [Int] = []
    private var bytes: [UInt8] = []

    init() {}

    mutating func append(_ key: TreeSearch.Key, _ content: UnsafeRawBufferPointer) {
        keys.append(key)
        unsafe bytes.append(contentsOf: content)
        ends.append(bytes.count)
    }

    /// The items of all inodes in a range.
    init(of inodes: ClosedRange<UInt64>, from search: TreeSearch) throws {
        try unsafe search.forEach(
            from: TreeSearch.Key(inode: inodes.lowerBound, type: 0, offset: 0),
            through: TreeSearch.Key(inode: inodes.upperBound, type: .max, offset: .max)
        ) { key, content in unsafe append(key, content) }
    }

    /// The content of the item at an index.
    subscript(index: Int) -> ArraySlice<UInt8> {
        bytes[(index == 0 ? 0 : ends[index - 1])..<ends[index]]
    }

    /// Where the items of the inode end whose first item is at an index.
    func end(ofInodeAt index: Int) -> Int {
        var end = index
        while end < keys.count, keys[end].inode == keys[index].inode { end += 1 }
        return end
    }
}

extension ArraySlice<UInt8> {
    /// A little-endian number at an offset from the slice's start, or 0 beyond its end.
    func number<Number: FixedWidthInteger>(at offset: Int, as type: Number.Type) -> Number {
        let size = MemoryLayout<Number>.size
        guard offset + size <= count else { return 0 }
        return unsafe withUnsafeBytes {
            unsafe Number(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Number.self))
        }
    }

    /// So many bytes from an offset on, or fewer at its end.
    func bytes(at offset: Int, count wanted: Int) -> [UInt8] {
        [UInt8](dropFirst(offset).prefix(wanted))
    }
}

extension UnsafeRawBufferPointer {
    /// A little-endian number at an offset, or 0 beyond the end.
    func number<Number: FixedWidthInteger>(at offset: Int, as type: Number.Type) -> Number {
        guard offset + MemoryLayout<Number>.size <= count else { return 0 }
        return unsafe Number(littleEndian: loadUnaligned(fromByteOffset: offset, as: Number.self))
    }

    /// So many bytes from an offset on, or fewer at the end.
    func bytes(at offset: Int, count wanted: Int) -> [UInt8] {
        let start = Swift.min(offset, count)
        return unsafe [UInt8](self[start..<Swift.min(start + wanted, count)])
    }
}
