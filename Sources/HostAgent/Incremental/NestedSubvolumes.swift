import Btrfs

/// Finds where other subvolumes are inside a snapshot, whose content no backup of it holds.
struct NestedSubvolumes: Sendable {
    /// How deep a directory may be.
    private static let depthLimit = 4_096

    let cache: BaseCache
    let pair: SnapshotPair

    /// Their raw paths, those that were there before too.
    ///
    /// - Parameter changes: what has changed since the base.
    /// - Throws: `FullScanReason`, `BtrfsError`.
    func paths(after changes: BaseChanges) async throws -> [[UInt8]] {
        var directories = Set(try await cache.directoriesWithSubvolumes())
        directories.subtract(changes.removed)
        for directory in changes.directories {
            if directory.holdsSubvolume {
                directories.insert(directory.inode)
            } else {
                directories.remove(directory.inode)
            }
        }
        guard !directories.isEmpty else { return [] }
        return try await pair.look { [directories] readers in
            try directories.flatMap { try Self.paths(in: $0, readers.now) }
                .sorted { $0.lexicographicallyPrecedes($1) }
        }
    }

    private static func paths(
        in directory: UInt64, _ reader: SnapshotReader
    ) throws -> [[UInt8]] {
        var names: [[UInt8]] = []
        var above = directory
        while above != SnapshotReader.rootInode, names.count < depthLimit {
            guard let name = try reader.inode(above)?.names.first else {
                throw FullScanReason.cacheIncomplete("a directory that is gone")
            }
            names.insert(name.name, at: 0)
            above = name.directory
        }
        return try reader.entries(of: directory).compactMap { entry in
            guard case .subvolume = entry.location else { return nil }
            return [UInt8]((names + [entry.name]).joined(separator: [UInt8(ascii: "/")]))
        }
    }
}
