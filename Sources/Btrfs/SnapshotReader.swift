/// Looks single inodes of a snapshot up by their numbers; used by one thread at a time.
public final class SnapshotReader {
    /// The inode number of every subvolume's root.
    public static let rootInode: UInt64 = 256

    private let search: TreeSearch
    private let guards: DetectionGuards

    /// - Parameters:
    ///   - path: the root of a snapshot.
    ///   - guards: see `DetectionGuards`.
    /// - Throws: `PlatformError` where it cannot be opened.
    public init(path: String, guards: DetectionGuards = .all) throws {
        search = try TreeSearch(path: path)
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
        var items = SnapshotItems()
        let type = SnapshotItems.ItemType.directoryIndex
        try unsafe search.forEach(
            from: TreeSearch.Key(inode: directory, type: type, offset: 0),
            through: TreeSearch.Key(inode: directory, type: type, offset: .max)
        ) { key, content in unsafe items.append(key, content) }
        return items.keys.indices.map { SnapshotEntry(items[$0], guards: guards) }
            .sorted { $0.name.lexicographicallyPrecedes($1.name) }
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
