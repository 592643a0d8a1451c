import Btrfs
import Glibc
import Platform
import Repository

/// Stores the contents of changed files, each around its changed extents where the base has it.
struct ChangedContents: Sendable {
    /// A file's chunks.
    struct Content: Sendable {
        let ids: [BlobID]
        /// Their lengths, where the file was cut.
        let lengths: [Int64]?
    }

    /// What a file held in the base.
    private struct Former: Sendable {
        let ids: [BlobID]
        let sizeBytes: Int64
        let changes: [Range<Int64>]

        /// With the boundaries; nil where they are not known, or not those of this file.
        func cut(with cache: BaseCache) async throws -> FileContentStore.Former? {
            let lengths = ids.count == 1 ? [sizeBytes] : try await cache.lengths(of: ids)
            guard let lengths, lengths.reduce(0, +) == sizeBytes else { return nil }
            return FileContentStore.Former(
                chunks: zip(ids, lengths).map {
                    FileContentStore.Chunk(id: $0, lengthBytes: $1)
                }, changes: changes)
        }
    }

    private static let filesAtOnce = 4
    /// How often the maps of a file's extents are read again when they move, as during a balance.
    private static let tries = 3

    let plan: ChangePlan
    let pair: SnapshotPair
    let state: BaseState
    let store: FileContentStore
    let entries: EntryReader
    let baseTransid: UInt64
    let guards: DetectionGuards
    let pool: BlockingPool

    /// The chunks of all changed files that are not empty, by inode number.
    func run() async throws -> [UInt64: Content] {
        let files = plan.changes.values.compactMap { change -> SnapshotChange? in
            guard let now = change.now, now.isFile, !now.names.isEmpty, now.sizeBytes > 0 else {
                return nil
            }
            return change
        }.sorted { Self.home($0) < Self.home($1) }
        return try await withThrowingTaskGroup(
            of: (UInt64, Content).self
        ) { group in
            var contents: [UInt64: Content] = [:]
            var rest = files.makeIterator()
            for _ in 0..<Self.filesAtOnce {
                guard let file = rest.next() else { break }
                group.addTask { (file.inode, try await content(of: file)) }
            }
            while let (inode, chunks) = try await group.next() {
                contents[inode] = chunks
                if let file = rest.next() {
                    group.addTask { (file.inode, try await content(of: file)) }
                }
            }
            return contents
        }
    }

    /// Files of one directory follow each other, so that its tree is read once.
    private static func home(_ change: SnapshotChange) -> (UInt64, UInt64) {
        (change.base?.names.first?.directory ?? 0, change.inode)
    }

    private func content(of change: SnapshotChange) async throws -> Content {
        guard let now = change.now, let name = now.names.first,
            let path = plan.paths[name.directory]
        else { throw FullScanReason.cacheIncomplete("a file without a place") }
        let former = try await former(of: change)
        if let former, former.changes.isEmpty, change.base?.sizeBytes == now.sizeBytes {
            return Content(ids: former.ids, lengths: nil)
        }
        let entries = entries
        let chunks = try await store.store(
            sizeBytes: now.sizeBytes, former: try await former?.cut(with: state.cache)
        ) {
            let file = try entries.directory(path).file(name.name)
            var status = stat()
            try file.withNumber { number in
                try systemCall("look at a file") { unsafe fstat(number, &status) }
            }
            guard UInt64(status.st_ino) == now.number, Int64(status.st_size) == now.sizeBytes
            else {
                throw FullScanReason("snapshot-changed", "a file of the snapshot is another one")
            }
            return file
        }
        return Content(ids: chunks.map(\.id), lengths: chunks.map(\.lengthBytes))
    }

    /// What the base knows of a file's content; nil where it is read as a whole.
    private func former(of change: SnapshotChange) async throws -> Former? {
        guard let base = change.base, let now = change.now, base.isFile, base.sizeBytes > 0,
            base.generation == now.generation || !guards.contains(.identity),
            let name = base.names.first
        else { return nil }
        let node = try await formerNode(name)
        guard !node.content.isEmpty, Int64(node.sizeBytes) == base.sizeBytes else {
            throw FullScanReason.cacheIncomplete("a file of the base has another length")
        }
        guard let changes = try await changedRanges(base, now) else { return nil }
        return Former(ids: node.content, sizeBytes: base.sizeBytes, changes: changes)
    }

    private func formerNode(_ name: SnapshotInode.Name) async throws -> Node {
        let generation = try await pair.look { readers in
            try readers.base.inode(name.directory)?.generation
        }
        guard let generation,
            let tree = try await state.tree(of: name.directory, generation: generation)
        else { throw FullScanReason.cacheIncomplete("the tree of a file's directory") }
        guard let node = tree.nodes.first(where: { $0.name == name.name }), node.kind == .file
        else { throw FullScanReason.cacheIncomplete("a file is not in its directory's tree") }
        return node
    }

    /// Where the two maps differ; nil where the base's map moves while it is read, so that an
    /// address may have been freed and used again in between.
    private func changedRanges(
        _ base: SnapshotInode, _ now: SnapshotInode
    ) async throws -> [Range<Int64>]? {
        for _ in 0..<Self.tries {
            let maps = try await pair.look { readers in
                (
                    try readers.base.extents(of: base.number),
                    try readers.now.extents(of: now.number),
                    try readers.base.extents(of: base.number)
                )
            }
            guard maps.0 == maps.2 else { continue }
            return maps.1.changes(
                from: maps.0, sizeBytes: min(base.sizeBytes, now.sizeBytes), since: baseTransid,
                guards: guards)
        }
        return nil
    }
}
