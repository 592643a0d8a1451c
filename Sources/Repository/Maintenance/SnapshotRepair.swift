extension RepositoryRepair {
    /// What became of the snapshots.
    public struct SnapshotsReport: Sendable {
        /// Nothing yet.
        public init() {}

        /// Snapshots that were written anew: the old and the new name, and the new root tree.
        public internal(set) var repaired: [(old: BlobID, new: BlobID, tree: BlobID)] = []
        /// Paths that are lost, each with the old snapshot's name: `1234abcd:/project/a/b`.
        public internal(set) var lostPaths: [String] = []
        /// Snapshot files that cannot be read; they are left as they are.
        public internal(set) var unreadable: [RepositoryError] = []
    }

    /// The tag of a snapshot that was written anew.
    public static let repairedTag = "repaired"

    /// Writes every snapshot that is not whole anew without what is lost: a file with a missing
    /// part is left out, a directory that cannot be read becomes empty.
    ///
    /// A tree that changes gets canonical nodes. Nothing is removed: the old snapshot stays until
    /// somebody forgets it.
    ///
    /// - Throws: `RepositoryError`: `locked`, `store`, `corrupt` naming an index file.
    @concurrent public func repairSnapshots() async throws -> SnapshotsReport {
        try await exclusively {
            let index = try await repository.loadIndex()
            var mending = TreeMending(
                index: index, source: repository.blobSource(index: index),
                writer: PackWriter(store: repository.store, codec: repository.codec) { id, kind in
                    index.contains(id, kind: kind)
                })
            var report = SnapshotsReport()
            var pending: [(old: BlobID, file: SnapshotFile)] = []
            for id in try await repository.ids(of: .snapshots) {
                do {
                    var file = try await repository.snapshot(id)
                    mending.snapshot = String(id.hex.prefix(8))
                    let tree = try await mending.mend(file.tree, path: "")
                    guard tree != file.tree else { continue }
                    file.original = file.original ?? id
                    file.tree = tree
                    file.tags = (file.tags ?? []) + [Self.repairedTag]
                    pending.append((id, file))
                } catch let error as RepositoryError where error.code != .store {
                    report.unreadable.append(error)
                }
            }
            let packs = try await mending.writer.finish()
            if !packs.isEmpty { _ = try await repository.writeIndex(packs) }
            for (old, file) in pending {
                let new = try await repository.writeSnapshot(file)
                report.repaired.append((old, new, file.tree))
            }
            report.lostPaths = mending.lost
            return report
        }
    }
}

/// Rebuilds trees without what is lost; each tree once.
private struct TreeMending {
    let index: RepositoryIndex
    let source: PackReader
    let writer: PackWriter
    var snapshot = ""
    private(set) var lost: [String] = []
    private var known: [BlobID: BlobID] = [:]

    /// So many lost paths are told.
    private static let lostLimit = 10_000

    init(index: RepositoryIndex, source: PackReader, writer: PackWriter) {
        (self.index, self.source, self.writer) = (index, source, writer)
    }

    /// The tree itself where it is whole, or what takes its place.
    mutating func mend(_ tree: BlobID, path: String) async throws -> BlobID {
        if let known = known[tree] { return known }
        let nodes: [Node]
        do {
            nodes = try await TreeWalker(rootTree: tree, source: source).entries(of: tree)
        } catch let error as RepositoryError where error.code != .store {
            lose(path.isEmpty ? "/" : path)
            return try await remember(tree, as: [])
        }
        var isChanged = false
        var kept: [Node] = []
        for var node in nodes {
            let below = path + "/" + node.displayName
            if let subtree = node.subtree {
                let mended = try await mend(subtree, path: below)
                isChanged = isChanged || mended != subtree
                node.subtree = mended
            } else if !node.content.allSatisfy({ index.contains($0, kind: .data) }) {
                lose(below)
                isChanged = true
                continue
            }
            kept.append(node)
        }
        guard isChanged else {
            known[tree] = tree
            return tree
        }
        return try await remember(tree, as: kept)
    }

    private mutating func remember(_ tree: BlobID, as nodes: [Node]) async throws -> BlobID {
        let blob = try writer.prepare(TreeEncoder.encode(nodes), kind: .tree)
        if blob.sealed != nil { try await writer.add(blob) }
        known[tree] = blob.id
        return blob.id
    }

    private mutating func lose(_ path: String) {
        if lost.count < Self.lostLimit { lost.append("\(snapshot):\(path)") }
    }
}
