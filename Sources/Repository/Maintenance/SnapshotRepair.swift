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
                    file.tree = try await mending.relink(tree)
                    try await mending.write(file.tree)
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
    /// The entries of the trees that take another's place.
    private var made: [BlobID: [Node]] = [:]
    private var written: Set<BlobID> = []
    /// The trees, as they become, that have hard links in them or below.
    private var linked: Set<BlobID> = []

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
            return remember(tree, as: [])
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
            note(tree, kept)
            return tree
        }
        return remember(tree, as: kept)
    }

    private mutating func remember(_ tree: BlobID, as nodes: [Node]) -> BlobID {
        let id = make(nodes)
        known[tree] = id
        return id
    }

    private mutating func make(_ nodes: [Node]) -> BlobID {
        let id = BlobID(hashing: TreeEncoder.encode(nodes))
        made[id] = nodes
        note(id, nodes)
        return id
    }

    private mutating func note(_ tree: BlobID, _ nodes: [Node]) {
        let hasLinks = nodes.contains { node in
            node.isCanonicalLink || node.subtree.map(linked.contains) ?? false
        }
        if hasLinks { linked.insert(tree) }
    }

    /// Corrects the hard links of which names are lost: how many there are, and the number that
    /// follows from the least of their paths.
    ///
    /// - Parameter root: the mended root tree of one snapshot.
    /// - Returns: the root tree that takes its place.
    mutating func relink(_ root: BlobID) async throws -> BlobID {
        var groups: [UInt64: LinkGroup] = [:]
        for node in try await entries(of: root) {
            if let tree = node.subtree { try await count(tree, below: [], &groups) }
        }
        let incomplete = groups.filter { $1.names < $1.links }
        guard !incomplete.isEmpty else { return root }
        var relinked: [BlobID: BlobID] = [:]
        return try await relink(root, incomplete, &relinked)
    }

    private func count(
        _ tree: BlobID, below path: [UInt8], _ groups: inout [UInt64: LinkGroup]
    ) async throws {
        guard linked.contains(tree) else { return }
        for node in try await entries(of: tree) {
            let full = path + node.name
            if let subtree = node.subtree {
                try await count(subtree, below: full + [UInt8(ascii: "/")], &groups)
            } else if node.isCanonicalLink {
                groups[node.inode, default: LinkGroup(links: node.links)].add(full)
            }
        }
    }

    private mutating func relink(
        _ tree: BlobID, _ incomplete: [UInt64: LinkGroup], _ relinked: inout [BlobID: BlobID]
    ) async throws -> BlobID {
        guard linked.contains(tree) else { return tree }
        if let known = relinked[tree] { return known }
        let nodes = try await entries(of: tree)
        var changed: [Node] = []
        for var node in nodes {
            if let subtree = node.subtree {
                node.subtree = try await relink(subtree, incomplete, &relinked)
            } else if node.isCanonicalLink, let group = incomplete[node.inode] {
                group.correct(&node)
            }
            changed.append(node)
        }
        let id = changed == nodes ? tree : make(changed)
        relinked[tree] = id
        return id
    }

    private func entries(of tree: BlobID) async throws -> [Node] {
        if let nodes = made[tree] { return nodes }
        return try await TreeWalker(rootTree: tree, source: source).entries(of: tree)
    }

    /// Stores the trees that take others' places, from a root on.
    mutating func write(_ tree: BlobID) async throws {
        guard let nodes = made[tree], written.insert(tree).inserted else { return }
        for subtree in nodes.compactMap(\.subtree) { try await write(subtree) }
        let blob = try writer.prepare(TreeEncoder.encode(nodes), kind: .tree)
        if blob.sealed != nil { try await writer.add(blob) }
    }

    private mutating func lose(_ path: String) {
        if lost.count < Self.lostLimit { lost.append("\(snapshot):\(path)") }
    }
}

/// What is left of the names of one file.
private struct LinkGroup {
    /// How many names the file had.
    let links: UInt64
    private(set) var names: UInt64 = 0
    private var leastPath: [UInt8] = []

    init(links: UInt64) {
        self.links = links
    }

    mutating func add(_ path: [UInt8]) {
        if names == 0 || path.lexicographicallyPrecedes(leastPath) { leastPath = path }
        names += 1
    }

    /// Makes a node what a backup of these names alone would have.
    func correct(_ node: inout Node) {
        guard names == 1 else {
            node.links = names
            node.inode = ScanHardLinks.canonicalInode(leastPath: leastPath)
            return
        }
        (node.inode, node.deviceID) = (0, 0)
        switch node.kind {
        case .file, .symlink, .blockDevice, .characterDevice: node.links = 1
        case .directory, .fifo, .socket: node.links = 0
        }
    }
}

extension Node {
    /// Whether it is one of several names of a file, by the numbers that Berth gives.
    fileprivate var isCanonicalLink: Bool {
        kind != .directory && links > 1 && inode != 0 && deviceID == Node.canonicalDeviceID
    }
}
