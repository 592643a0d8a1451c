import Repository

/// The trees of a base as its cache keeps them, verified, the latest ones in memory.
actor BaseState {
    /// A directory of the base.
    struct Tree: Sendable {
        let id: BlobID
        let nodes: [Node]
    }

    private static let treesInMemory = 64

    let cache: BaseCache
    private let codec: BlobCodec
    private var trees: [UInt64: (generation: UInt64, tree: Tree, used: Int)] = [:]
    private var blobs: [UInt64: (ids: Set<BlobID>, used: Int)] = [:]
    private var clock = 0

    init(cache: BaseCache, codec: BlobCodec) {
        self.cache = cache
        self.codec = codec
    }

    /// The tree of a directory, or nil where none is kept of this very directory.
    ///
    /// - Throws: `FullScanReason` where what is kept is damaged.
    func tree(of inode: UInt64, generation: UInt64) async throws -> Tree? {
        clock += 1
        if let known = trees[inode], known.generation == generation {
            trees[inode]?.used = clock
            return known.tree
        }
        guard let kept = try await cache.directory(inode), kept.generation == generation else {
            return nil
        }
        let tree = Tree(id: kept.tree.id, nodes: try nodes(kept.tree))
        trees[inode] = (generation, tree, clock)
        if trees.count > Self.treesInMemory,
            let oldest = trees.min(by: { $0.value.used < $1.value.used })
        {
            trees[oldest.key] = nil
        }
        return tree
    }

    /// Whether a file of the base has this blob.
    func holds(_ blob: BlobID) async throws -> Bool {
        guard let holder = try await cache.holder(of: blob) else { return false }
        clock += 1
        if let known = blobs[holder] {
            blobs[holder]?.used = clock
            return known.ids.contains(blob)
        }
        guard let kept = try await cache.directory(holder) else { return false }
        let ids = try nodes(kept.tree).reduce(into: Set<BlobID>()) { $0.formUnion($1.content) }
        blobs[holder] = (ids, clock)
        if blobs.count > Self.treesInMemory,
            let oldest = blobs.min(by: { $0.value.used < $1.value.used })
        {
            blobs[oldest.key] = nil
        }
        return ids.contains(blob)
    }

    private func nodes(_ tree: SealedTree) throws -> [Node] {
        do {
            return try tree.nodes(codec)
        } catch {
            throw FullScanReason.cacheIncomplete("\(error)")
        }
    }
}
