import Btrfs
import Platform
import Repository
import Shared

/// Makes what is kept of a base from its snapshot's directories and the backup's trees: two read
/// while what they have read before is written.
struct BaseCacheBuilder: Sendable {
    /// Directories written in one transaction.
    private static let directoriesAtOnce = 512
    private static let readersAtOnce = 2

    /// What it is made of.
    struct Source: Sendable {
        /// The path of the base.
        let snapshot: String
        let codec: BlobCodec
        /// The length of a chunk, where it is known.
        let length: @Sendable (BlobID) -> Int64?
        /// A tree of the backup.
        let tree: @Sendable (BlobID) async throws -> SealedTree
    }

    let source: Source
    let cache: BaseCache
    let pool: BlockingPool

    private struct Work: Sendable {
        let inode: UInt64
        let tree: BlobID
    }

    private struct Piece: Sendable {
        var changes = BaseChanges()
        var below: [Work] = []
        var files: Int64 = 0
        var bytes: Int64 = 0
    }

    /// Builds it, in place of what was there.
    ///
    /// - Parameters:
    ///   - header: of the backup, without totals and the snapshot's transaction.
    /// - Throws: `FullScanReason` where the trees do not fit to the directories.
    func build(_ header: BaseHeader) async throws {
        guard let root = BlobID(hex: header.rootTree) else {
            throw FullScanReason.cacheIncomplete("no root tree's id")
        }
        try await cache.clear()
        let codec = source.codec
        let top = try await source.tree(root)
        let nodes = try await pool.run { try top.nodes(codec) }
        guard nodes.count == 1, let content = nodes.first?.subtree else {
            throw FullScanReason.cacheIncomplete("the root tree is not one of this volume")
        }
        let (readers, info) = try await pool.run { [snapshot = source.snapshot] in
            let readers = try (0..<Self.readersAtOnce).map { _ in
                Locked(try SnapshotReader(path: snapshot))
            }
            return (readers, try Subvolume(at: snapshot).info())
        }
        guard info.uuid.description == header.snapshot else {
            throw FullScanReason.cacheIncomplete("the base is another snapshot")
        }
        var header = header
        header.transid = info.otransid
        var waiting = [Work(inode: SnapshotReader.rootInode, tree: content)]
        var changes = BaseChanges()
        while !waiting.isEmpty {
            try Task.checkCancellation()
            let next = waiting.suffix(Self.directoriesAtOnce)
            waiting.removeLast(next.count)
            let read = changes
            async let written: Void = cache.apply(read, header: nil)
            let pieces = try await pieces(of: Array(next), by: readers)
            try await written
            changes = BaseChanges()
            for piece in pieces {
                waiting += piece.below
                header.files += piece.files
                header.bytes += piece.bytes
                changes.directories += piece.changes.directories
                changes.holders.merge(piece.changes.holders) { first, _ in first }
                changes.lengths.merge(piece.changes.lengths) { first, _ in first }
                changes.links.merge(piece.changes.links) { first, _ in first }
            }
        }
        try await cache.apply(changes, header: header)
    }

    /// Reads directories, each reader a part of them.
    private func pieces(
        of works: [Work], by readers: [Locked<SnapshotReader>]
    ) async throws -> [Piece] {
        try await withThrowingTaskGroup(of: [Piece].self) { group in
            for (position, reader) in readers.enumerated() {
                let own = works.indices.filter { $0 % readers.count == position }.map { works[$0] }
                group.addTask {
                    var pieces: [Piece] = []
                    for work in own {
                        let sealed = try await source.tree(work.tree)
                        pieces.append(
                            try await pool.run { [source] in
                                try reader.withLock {
                                    try Self.piece(
                                        work, sealed, $0, source.codec, source.length)
                                }
                            })
                    }
                    return pieces
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
    }

    /// One directory: every entry of the snapshot is in the tree, and none besides.
    private static func piece(
        _ work: Work, _ tree: SealedTree, _ reader: SnapshotReader, _ codec: BlobCodec,
        _ length: (BlobID) -> Int64?
    ) throws -> Piece {
        let mismatch = FullScanReason.cacheIncomplete(
            "directory \(work.inode) does not hold what its tree says")
        guard let directory = try reader.inode(work.inode), directory.isDirectory else {
            throw mismatch
        }
        var piece = Piece()
        var nodes = try tree.nodes(codec)[...]
        var holdsSubvolume = false
        for entry in try reader.entries(of: work.inode) where !entry.isSocket {
            guard let node = nodes.popFirst(), node.name == entry.name,
                (node.kind == .directory)
                    == (entry.isDirectory || !entry.location.isInode)
            else { throw mismatch }
            guard case .inode(let inode) = entry.location else {
                holdsSubvolume = true
                continue
            }
            if let subtree = node.subtree {
                piece.below.append(Work(inode: inode, tree: subtree))
            }
            if node.links > 1 { piece.changes.links.updateValue(node.inode, forKey: inode) }
            guard node.kind == .file else { continue }
            piece.files += 1
            piece.bytes += Int64(node.sizeBytes)
            for id in node.content { piece.changes.holders[id] = work.inode }
            lengths(of: node, length, to: &piece.changes.lengths)
        }
        guard nodes.isEmpty else { throw mismatch }
        piece.changes.directories = [
            BaseDirectory(
                inode: work.inode, generation: directory.generation, tree: tree,
                holdsSubvolume: holdsSubvolume)
        ]
        return piece
    }

    /// The last chunk may be short and has what the others leave.
    private static func lengths(
        of node: Node, _ length: (BlobID) -> Int64?, to lengths: inout [BlobID: Int64]
    ) {
        guard node.content.count > 1, let last = node.content.last else { return }
        var sum: Int64 = 0
        for id in node.content.dropLast() {
            guard let known = length(id) else { return }
            lengths[id] = known
            sum += known
        }
        if sum < Int64(node.sizeBytes) { lengths[last] = Int64(node.sizeBytes) - sum }
    }
}

extension SnapshotEntry.Location {
    /// Whether it is in the same subvolume.
    var isInode: Bool {
        switch self {
        case .inode: true
        case .subvolume: false
        }
    }
}
