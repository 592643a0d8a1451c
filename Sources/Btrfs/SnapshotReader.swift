import CPlatform
import Glibc
public import Platform

/// Looks inodes of a snapshot up by their numbers; used by one thread at a time.
public final class SnapshotReader {
    /// The inode number of every subvolume's root.
    public static let rootInode: UInt64 = 256

    private let search: TreeSearch
    private let guards: DetectionGuards
    /// The subvolume's number.
    private let subvolume: UInt64

    /// - Parameters:
    ///   - path: the root of a snapshot.
    ///   - guards: see `DetectionGuards`.
    /// - Throws: `PlatformError` where it cannot be opened.
    public init(path: String, guards: DetectionGuards = .all) throws {
        search = try TreeSearch(path: path)
        subvolume = try Subvolume(at: path).info().id
        self.guards = guards
    }

    /// The inode with a number, or nil where there is none.
    ///
    /// - Throws: `BtrfsError`.
    public func inode(_ number: UInt64) throws -> SnapshotInode? {
        var items = SnapshotItems()
        try unsafe search.forEach(
            from: TreeSearch.Key(inode: number, type: 0, offset: 0),
            through: TreeSearch.Key(
                inode: number, type: SnapshotItems.ItemType.extendedReference, offset: .max)
        ) { key, content in unsafe items.append(key, content) }
        return SnapshotInode(items, 0..<items.keys.count)
    }

    /// The entries of a directory, ascending by raw name.
    ///
    /// - Throws: `BtrfsError`.
    public func entries(of directory: UInt64) throws -> [SnapshotEntry] {
        var entries: [SnapshotEntry] = []
        let type = SnapshotItems.ItemType.directoryIndex
        try unsafe search.forEach(
            from: TreeSearch.Key(inode: directory, type: type, offset: 0),
            through: TreeSearch.Key(inode: directory, type: type, offset: .max)
        ) { _, content in unsafe entries.append(SnapshotEntry(content, guards: guards)) }
        entries.sort { $0.name.lexicographicallyPrecedes($1.name) }
        return entries
    }

    /// Everything about inodes, those with near numbers in one search.
    ///
    /// - Parameters:
    ///   - numbers: ascending, without duplicates.
    ///   - contentBytes: how many bytes of contents that lie with the metadata are kept; those of
    ///     further files are left to `inlineContents`.
    /// - Returns: those that are there, ascending.
    /// - Throws: `BtrfsError`.
    public func details(
        of numbers: [UInt64], contentBytes: Int = 0
    ) throws -> [SnapshotDetails] {
        var found: [SnapshotDetails] = []
        found.reserveCapacity(numbers.count)
        var kept = 0
        for cluster in clusters(of: numbers) {
            var current: SnapshotDetails?
            var position = cluster.lowerBound
            try unsafe search.visit(
                from: TreeSearch.Key(inode: numbers[cluster.lowerBound], type: 0, offset: 0),
                through: TreeSearch.Key(
                    inode: numbers[cluster.upperBound - 1], type: SnapshotItems.ItemType.extent,
                    offset: .max)
            ) { key, content in
                if current?.number != key.inode {
                    if var last = current.take(), last.finish() {
                        kept += last.content?.count ?? 0
                        found.append(last)
                    }
                    while position < cluster.upperBound, numbers[position] < key.inode {
                        position += 1
                    }
                    guard position < cluster.upperBound else {
                        return TreeSearch.Key(inode: .max, type: .max, offset: .max)
                    }
                    guard numbers[position] == key.inode else {
                        return TreeSearch.Key(inode: numbers[position], type: 0, offset: 0)
                    }
                    current = SnapshotDetails(
                        number: key.inode, keepsContent: kept < contentBytes)
                }
                unsafe current?.take(key, content)
                return skipped(key)
            }
            if var last = current, last.finish() { found.append(last) }
        }
        return found
    }

    /// The contents of files that lie with the metadata; nil where one does not, or is not there.
    ///
    /// - Parameter numbers: ascending, without duplicates.
    /// - Throws: `BtrfsError`.
    public func inlineContents(of numbers: [UInt64]) throws -> [[UInt8]?] {
        var contents = [[UInt8]?](repeating: nil, count: numbers.count)
        for cluster in clusters(of: numbers) {
            var position = cluster.lowerBound
            var sizeBytes: Int64 = -1
            try unsafe search.visit(
                from: TreeSearch.Key(inode: numbers[cluster.lowerBound], type: 0, offset: 0),
                through: TreeSearch.Key(
                    inode: numbers[cluster.upperBound - 1], type: SnapshotItems.ItemType.extent,
                    offset: 0)
            ) { key, content in
                while position < cluster.upperBound, numbers[position] < key.inode {
                    position += 1
                }
                guard position < cluster.upperBound else {
                    return TreeSearch.Key(inode: .max, type: .max, offset: .max)
                }
                guard numbers[position] == key.inode else {
                    return TreeSearch.Key(inode: numbers[position], type: 0, offset: 0)
                }
                if key.type == SnapshotItems.ItemType.inode {
                    unsafe sizeBytes = content.number(at: 16, as: Int64.self)
                } else if key.type == SnapshotItems.ItemType.extent, key.offset == 0 {
                    unsafe contents[position] = InlineExtent.content(
                        of: content, sizeBytes: sizeBytes
                    ).map { unsafe [UInt8]($0) }
                }
                return skipped(key)
            }
        }
        return contents
    }

    /// Calls `body` for everything but directories, with the number of its names and, for a file,
    /// its length, until it answers false.
    ///
    /// - Throws: `BtrfsError`.
    public func countFiles(_ body: (_ links: Int64, _ sizeBytes: Int64) -> Bool) throws {
        try unsafe search.visit(
            from: TreeSearch.Key(inode: Self.rootInode, type: 0, offset: 0),
            through: TreeSearch.Key(
                inode: TreeSearch.inodes.upperBound, type: .max, offset: .max)
        ) { key, content in
            guard key.type == SnapshotItems.ItemType.inode else { return skipped(key) }
            let kind = unsafe content.number(at: 52, as: UInt32.self) & 0o170_000
            let links = unsafe Int64(content.number(at: 40, as: UInt32.self))
            guard kind != 0o040_000, links > 0 else { return nil }
            let size = kind == 0o100_000 ? unsafe content.number(at: 16, as: Int64.self) : 0
            return body(links, size)
                ? nil : TreeSearch.Key(inode: .max, type: .max, offset: .max)
        }
    }

    /// Opens a file for reading by its number (open_by_handle_at(2)), without a change of its
    /// access time; it needs CAP_DAC_READ_SEARCH.
    ///
    /// - Parameters:
    ///   - generation: the one that the inode must have.
    ///   - flags: besides `O_RDONLY` and `O_CLOEXEC`.
    /// - Throws: `PlatformError`; ESTALE where there is no such inode.
    public func open(inode: UInt64, generation: UInt64, flags: Int32 = 0) throws -> Descriptor {
        // struct btrfs_fid without a parent: inode (8), subvolume (8), generation (4).
        let words = [inode.littleEndian, subvolume.littleEndian]
        let last = UInt32(truncatingIfNeeded: generation).littleEndian
        let handle =
            unsafe words.withUnsafeBytes { unsafe [UInt8]($0) }
            + withUnsafeBytes(of: last) { unsafe [UInt8]($0) }
        return try search.withDirectory { number in
            Descriptor(
                owning: try systemCall("open inode \(inode)") {
                    unsafe berth_open_by_handle(
                        number, Self.handleType, handle, UInt32(handle.count),
                        flags | O_RDONLY | O_CLOEXEC)
                })
        }
    }

    /// FILEID_BTRFS_WITHOUT_PARENT.
    private static let handleType: Int32 = 0x4D
    /// Numbers that are no farther apart are looked up together.
    private static let clusterGap: UInt64 = 32
    /// So many extents of a file that nobody asks for are passed over singly.
    private static let extentPassBytes: UInt64 = 4 << 20

    private func clusters(of numbers: [UInt64]) -> [Range<Int>] {
        var clusters: [Range<Int>] = []
        var start = 0
        for index in numbers.indices.dropFirst()
        where numbers[index] - numbers[index - 1] > Self.clusterGap {
            clusters.append(start..<index)
            start = index
        }
        if start < numbers.count { clusters.append(start..<numbers.count) }
        return clusters
    }

    /// Where to go on behind an item: the entries of a directory and the extents of a large file
    /// are passed over.
    private func skipped(_ key: TreeSearch.Key) -> TreeSearch.Key? {
        let isEntry = SnapshotItems.ItemType.directoryEntries.contains(key.type)
        let isFarExtent =
            key.type == SnapshotItems.ItemType.extent && key.offset > Self.extentPassBytes
        guard isEntry || isFarExtent, key.inode < .max else { return nil }
        return TreeSearch.Key(inode: key.inode + 1, type: 0, offset: 0)
    }

    /// Where a file's bytes are.
    ///
    /// - Throws: `BtrfsError`.
    public func extents(of file: UInt64) throws -> FileExtents {
        var items = SnapshotItems()
        let type = SnapshotItems.ItemType.extent
        try unsafe search.forEach(
            from: TreeSearch.Key(inode: file, type: type, offset: 0),
            through: TreeSearch.Key(inode: file, type: type, offset: .max)
        ) { key, content in unsafe items.append(key, content) }
        return FileExtents(
            items.keys.indices.map { FileExtents.Segment(items.keys[$0].offset, items[$0]) })
    }
}
