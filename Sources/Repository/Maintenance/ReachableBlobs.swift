import Platform

/// Which blobs a set of snapshots needs: what a prune keeps, what a check looks for, what a copy
/// into another repository takes along.
struct ReachableBlobs: Sendable {
    private(set) var trees: Set<BlobID> = []
    private(set) var data: Set<BlobID> = []

    /// So many trees are fetched at once.
    private static let width = 8

    /// How many different blobs there are.
    var count: Int { trees.count + data.count }

    func contains(_ blob: PackedBlob) -> Bool {
        switch blob.kind {
        case .tree: trees.contains(blob.id)
        case .data: data.contains(blob.id)
        }
    }

    /// Runs `body` for every blob.
    func forEach(_ body: (BlobID, BlobKind) throws -> Void) rethrows {
        for id in trees { try body(id, .tree) }
        for id in data { try body(id, .data) }
    }

    /// Adds all that root trees reach; what is known already is not read again.
    ///
    /// - Throws: `RepositoryError` naming the tree that is missing or no tree; then the set is not
    ///   complete and nothing may be decided by it.
    mutating func add(roots: some Sequence<BlobID>, from source: any BlobSource) async throws {
        var pending: [BlobID] = []
        for root in roots where trees.insert(root).inserted { pending.append(root) }
        try await withThrowingTaskGroup(of: TreeLinks.self) { group in
            var running = 0
            while running > 0 || !pending.isEmpty {
                while running < Self.width, let tree = pending.popLast() {
                    running += 1
                    group.addTask { try await TreeLinks.read(tree, from: source) }
                }
                guard let links = try await group.next() else { break }
                running -= 1
                data.formUnion(links.data)
                for tree in links.subtrees where trees.insert(tree).inserted {
                    pending.append(tree)
                }
            }
        }
    }
}

/// What a tree points at.
struct TreeLinks: Sendable {
    let subtrees: [BlobID]
    let data: [BlobID]

    /// - Throws: `RepositoryError` naming the tree where it is missing or no tree.
    @concurrent static func read(_ tree: BlobID, from source: any BlobSource) async throws
        -> TreeLinks
    {
        let nodes = try await TreeWalker(rootTree: tree, source: source).entries(of: tree)
        return TreeLinks(
            subtrees: nodes.compactMap(\.subtree), data: nodes.flatMap(\.content))
    }
}
