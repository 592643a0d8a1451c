import Btrfs
import Platform
import Repository

/// Makes the trees of changed directories anew, the deepest first; nodes of what did not change are
/// taken over.
struct TreeBuilder: Sendable {
    let plan: ChangePlan
    let pair: SnapshotPair
    let state: BaseState
    let entries: EntryReader
    let contents: [UInt64: ChangedContents.Content]
    let sink: any BlobSink
    let codec: BlobCodec
    let pool: BlockingPool

    private(set) var removed: Set<UInt64> = []
    private(set) var directories: [BaseDirectory] = []
    private(set) var holders: [BlobID: UInt64] = [:]
    private(set) var lengths: [BlobID: Int64] = [:]
    private(set) var addedFiles: Int64 = 0
    private(set) var addedBytes: Int64 = 0
    private var built: [UInt64: BlobID] = [:]

    init(
        plan: ChangePlan, pair: SnapshotPair, state: BaseState, entries: EntryReader,
        contents: [UInt64: ChangedContents.Content], sink: any BlobSink, codec: BlobCodec,
        pool: BlockingPool
    ) {
        self.plan = plan
        self.pair = pair
        self.state = state
        self.entries = entries
        self.contents = contents
        self.sink = sink
        self.codec = codec
        self.pool = pool
    }

    /// A directory's former state, where it had one.
    private struct Former {
        var nodes: [[UInt8]: Node] = [:]
        var locations: [[UInt8]: SnapshotEntry.Location] = [:]
    }

    /// Makes the tree of a directory, all below it being made.
    mutating func build(_ directory: UInt64) async throws {
        let (now, before) = try await listings(of: directory)
        let former = try await former(of: directory, before)
        var nodes = [Node?](repeating: nil, count: now.count)
        var fresh: [Int] = []
        var holdsSubvolume = false
        for (index, entry) in now.enumerated() {
            switch entry.location {
            case .subvolume:
                nodes[index] = EntryReader.nestedNode(name: entry.name)
                holdsSubvolume = true
            case .inode(let inode):
                let isSame =
                    former.locations[entry.name] == entry.location && plan.changes[inode] == nil
                    && plan.links[inode] == nil
                guard isSame else {
                    fresh.append(index)
                    continue
                }
                nodes[index] = try takeOver(entry, inode, former)
            }
        }
        if holdsSubvolume { _ = try await store([]) }
        for (index, node) in zip(fresh, try await read(fresh.map { now[$0] }, in: directory)) {
            guard var node, case .inode(let inode) = now[index].location else { continue }
            try await complete(&node, inode, former, in: directory)
            nodes[index] = node
        }
        try await forget(before, now)
        let all = nodes.compactMap { $0 }
        count(all, 1)
        count(Array(former.nodes.values), -1)
        let tree = try await store(all)
        built[directory] = tree.id
        directories.append(
            BaseDirectory(
                inode: directory, generation: try generation(of: directory), tree: tree,
                holdsSubvolume: holdsSubvolume))
    }

    /// Stores the root tree, whose one node is the volume's root.
    ///
    /// - Parameter former: the base's root tree.
    func finish(former: String, cache: BaseCache) async throws -> BlobID {
        let entries = entries
        var node = try await pool.run { try entries.rootNode() }
        if let content = built[SnapshotReader.rootInode] {
            node.subtree = content
        } else {
            node.subtree = try await cache.directory(SnapshotReader.rootInode)?.tree.id
        }
        guard node.subtree != nil else { throw FullScanReason.cacheIncomplete("no root") }
        let json = TreeEncoder.encode([node])
        let id = BlobID(hashing: json)
        if id.hex == former { return id }
        let blob = try await pool.run { [sink] in try sink.prepare(json, kind: .tree) }
        if blob.sealed != nil { try await sink.add(blob) }
        return id
    }

    private func listings(
        of directory: UInt64
    ) async throws -> (now: [SnapshotEntry], before: [SnapshotEntry]) {
        let existed = existed(directory)
        return try await pair.look { readers in
            (
                try readers.now.entries(of: directory),
                existed ? try readers.base.entries(of: directory) : []
            )
        }
    }

    /// Whether this very directory is in the base.
    private func existed(_ directory: UInt64) -> Bool {
        guard let change = plan.changes[directory] else { return true }
        // Bound before the comparison: the release optimizer of Swift 6.3.1 aborts on it otherwise.
        guard let base = change.base, let now = change.now else { return false }
        return base.isDirectory && base.generation == now.generation
    }

    private func generation(of directory: UInt64) throws -> UInt64 {
        guard let known = plan.generations[directory] else {
            throw FullScanReason.cacheIncomplete("a directory without a generation")
        }
        return known
    }

    private func former(
        of directory: UInt64, _ before: [SnapshotEntry]
    ) async throws -> Former {
        var former = Former()
        guard existed(directory) else { return former }
        guard
            let tree = try await state.tree(of: directory, generation: generation(of: directory))
        else { throw FullScanReason.cacheIncomplete("no tree of directory \(directory)") }
        for node in tree.nodes { former.nodes[node.name] = node }
        for entry in before { former.locations[entry.name] = entry.location }
        return former
    }

    /// The node of an entry that did not change, but for what is below it.
    private func takeOver(
        _ entry: SnapshotEntry, _ inode: UInt64, _ former: Former
    ) throws -> Node? {
        guard var node = former.nodes[entry.name] else {
            if entry.isSocket { return nil }
            throw FullScanReason.cacheIncomplete("an entry is not in its directory's tree")
        }
        guard entry.isDirectory == (node.kind == .directory) else {
            throw FullScanReason.cacheIncomplete("an entry is of another kind")
        }
        if entry.isDirectory, let tree = built[inode] { node.subtree = tree }
        return node
    }

    private func read(
        _ fresh: [SnapshotEntry], in directory: UInt64
    ) async throws -> [Node?] {
        guard !fresh.isEmpty else { return [] }
        guard let path = plan.paths[directory] else {
            throw FullScanReason.cacheIncomplete("a directory without a place")
        }
        let (entries, links) = (entries, plan.links)
        return try await pool.run {
            let open = try entries.directory(path)
            return try fresh.map { entry in
                guard case .inode(let inode) = entry.location else { return nil }
                do {
                    return try entries.node(
                        entry.name, in: open, inode: inode, links: links[inode])
                } catch let error as RepositoryError {
                    throw FullScanReason("unreadable-entry", "\(error)")
                }
            }
        }
    }

    /// Gives a new node its content or subtree.
    private mutating func complete(
        _ node: inout Node, _ inode: UInt64, _ former: Former, in directory: UInt64
    ) async throws {
        switch node.kind {
        case .directory:
            if let tree = built[inode] {
                node.subtree = tree
            } else if let change = plan.changes[inode]?.now,
                let tree = try await state.tree(of: inode, generation: change.generation)
            {
                node.subtree = tree.id
            }
            guard node.subtree != nil else {
                throw FullScanReason.cacheIncomplete("no tree of directory \(inode)")
            }
        case .file where node.sizeBytes > 0:
            if plan.changes[inode] == nil {
                guard let known = former.nodes[node.name], known.sizeBytes == node.sizeBytes else {
                    throw FullScanReason.cacheIncomplete("a file is not in its directory's tree")
                }
                node.content = known.content
            } else {
                guard let content = contents[inode] else {
                    throw FullScanReason.cacheIncomplete("a file without content")
                }
                node.content = content.ids
                if let known = content.lengths, known.count > 1 {
                    for (id, length) in zip(content.ids, known) { lengths[id] = length }
                }
            }
            for id in node.content { holders[id] = directory }
        case .file, .symlink, .blockDevice, .characterDevice, .fifo, .socket: break
        }
    }

    /// Directories that are no longer there leave the cache, with all below them.
    private mutating func forget(
        _ before: [SnapshotEntry], _ now: [SnapshotEntry]
    ) async throws {
        let kept = Set(now.map { Pair(name: $0.name, location: $0.location) })
        for entry in before where entry.isDirectory {
            guard case .inode(let inode) = entry.location,
                plan.changes[inode] != nil
                    || !kept.contains(Pair(name: entry.name, location: entry.location))
            else { continue }
            for gone in try await pair.removed(below: inode)
            where removed.insert(gone.inode).inserted {
                guard
                    let tree = try await state.tree(of: gone.inode, generation: gone.generation)
                else { throw FullScanReason.cacheIncomplete("no tree of a removed directory") }
                count(tree.nodes, -1)
            }
        }
    }

    private struct Pair: Hashable {
        let name: [UInt8]
        let location: SnapshotEntry.Location
    }

    private mutating func count(_ nodes: [Node], _ sign: Int64) {
        for node in nodes where node.kind == .file {
            addedFiles += sign
            addedBytes += sign * Int64(node.sizeBytes)
        }
    }

    /// Stores a tree unless the base has it, and seals it for the cache.
    private func store(_ nodes: [Node]) async throws -> SealedTree {
        let (sink, codec) = (sink, codec)
        let (json, id) = try await pool.run {
            let json = TreeEncoder.encode(nodes)
            return (json, try codec.id(of: json))
        }
        if let known = try await state.cache.directory(withTree: id) { return known.tree }
        let blob = try await pool.run { try sink.prepare(json, kind: .tree) }
        if blob.sealed != nil { try await sink.add(blob) }
        return try await pool.run { try SealedTree(json, prepared: blob, codec: codec) }
    }
}
