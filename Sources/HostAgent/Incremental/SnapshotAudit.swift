import Platform
import Repository
import Shared

/// Reads everything of a snapshot and compares that with what a backup of the changes came to: a
/// change that was missed would be missing in every later backup too.
struct SnapshotAudit: Sendable {
    /// How many differing paths are named.
    private static let pathLimit = 10

    let work: Work
    /// The snapshot's path.
    let path: String
    /// What is kept of the base.
    let cache: BaseCache

    /// Nothing is stored.
    ///
    /// - Throws: `FullScanReason` where there is a difference, with the paths.
    func run(_ stored: SnapshotStorage.Stored, since base: BackupID?) async throws {
        let repository = try await RepositoryAccess.open(work)
        let (progress, codec) = (work.progress, repository.codec)
        let (directory, pool) = (work.host.directory.caches, work.host.pool)
        let spool = try await pool.run { try TreeSpool(directory: directory, codec: codec) }
        let summary = try await Backup(
            path: path, sink: SpoolingSink(HashingSink(), spool: spool),
            polynomial: repository.config.polynomial
        ) { state in
            progress.report(
                "audit", 3, done: state.bytesDone,
                total: state.bytesTotal > 0 ? state.bytesTotal : nil, unit: .bytes)
        }.run()
        guard
            summary.rootTree.hex != stored.rootTree || summary.files != stored.files
                || summary.bytes != stored.bytes
        else { return }
        let paths = try await Differences(stored, cache, spool, codec, pool)
            .paths(to: summary.rootTree, limit: Self.pathLimit)
        throw FullScanReason.auditMismatch(
            "what has changed since backup \(base?.description ?? "") makes up root "
                + "tree \(stored.rootTree) of \(stored.files) files, and the volume is "
                + "\(summary.rootTree) of \(summary.files): \(paths.joined(separator: ", "))")
    }

    /// Where two trees of directories differ.
    private struct Differences: Sendable {
        private let made: [BlobID: SealedTree]
        private let top: BlobID?
        private let cache: BaseCache
        private let spool: TreeSpool
        private let codec: BlobCodec
        private let pool: BlockingPool

        init(
            _ stored: SnapshotStorage.Stored, _ cache: BaseCache, _ spool: TreeSpool,
            _ codec: BlobCodec, _ pool: BlockingPool
        ) {
            var made: [BlobID: SealedTree] = [:]
            var top: BlobID?
            if case .changes(let changes, _) = stored.update {
                for directory in changes.directories {
                    made[directory.tree.id] = directory.tree
                    if directory.inode == BaseDirectory.rootInode { top = directory.tree.id }
                }
            }
            (self.made, self.top, self.cache) = (made, top, cache)
            (self.spool, self.codec, self.pool) = (spool, codec, pool)
        }

        private struct Place {
            let path: [UInt8]
            let before: BlobID
            let now: BlobID
        }

        /// As text, a few; of what is only on one side too.
        func paths(to root: BlobID, limit: Int) async throws -> [String] {
            var before = top
            if before == nil {
                before = try await cache.directory(BaseDirectory.rootInode)?.tree.id
            }
            guard let before, let now = try await nodes(root, isNow: true).first?.subtree else {
                return []
            }
            var paths: [String] = []
            var waiting = [Place(path: [], before: before, now: now)]
            while let place = waiting.popLast(), paths.count < limit {
                let old = try await nodes(place.before, isNow: false)
                let new = try await nodes(place.now, isNow: true)
                let (names, below) = Self.compare(old, new, in: place)
                paths += names
                waiting += below
            }
            // Where no entry differs it is what the root directory itself is.
            return paths.isEmpty ? ["."] : Array(paths.prefix(limit))
        }

        private static func compare(
            _ old: [Node], _ new: [Node], in place: Place
        ) -> (names: [String], below: [Place]) {
            let known = Dictionary(old.map { ($0.name, $0) }) { first, _ in first }
            let there = Set(new.map(\.name))
            var names: [[UInt8]] = old.map(\.name).filter { !there.contains($0) }
            var below: [Place] = []
            for node in new {
                guard var other = known[node.name] else {
                    names.append(node.name)
                    continue
                }
                if let before = other.subtree, let now = node.subtree, before != now {
                    let path = place.path + node.name + [UInt8(ascii: "/")]
                    below.append(Place(path: path, before: before, now: now))
                    other.subtree = now
                }
                if other != node { names.append(node.name) }
            }
            return (names.map { String(decoding: place.path + $0, as: UTF8.self) }, below)
        }

        private func nodes(_ tree: BlobID, isNow: Bool) async throws -> [Node] {
            let kept = isNow ? nil : try await former(tree)
            return try await pool.run { [spool, codec] in
                guard let found = try kept ?? spool.tree(tree) else { return [] }
                return try found.nodes(codec)
            }
        }

        private func former(_ tree: BlobID) async throws -> SealedTree? {
            if let known = made[tree] { return known }
            return try await cache.directory(withTree: tree)?.tree
        }
    }
}
