import Btrfs
import Platform
import Repository
import Shared

/// A backup that costs what changed since the base: finds the changed inodes by btrfs itself, reads
/// those, and makes the trees anew of their directories and of all above.
///
/// Whatever does not fit together is a `FullScanReason`; then the whole volume has to be read.
struct IncrementalBackup: Sendable {
    /// What came out.
    struct Outcome: Sendable {
        var header: BaseHeader
        var changes: BaseChanges
        /// Raw paths of subvolumes inside, whose content is not in the backup.
        var nestedSubvolumes: [[UInt8]]
        var detection: BackupDetection
    }

    let pair: SnapshotPair
    let comparison: SnapshotComparison
    let state: BaseState
    let sink: any BlobSink
    let codec: BlobCodec
    let polynomial: ChunkerPolynomial
    let pool: BlockingPool
    let guards: DetectionGuards

    /// Opens the two snapshots; blocks.
    ///
    /// - Parameters:
    ///   - base: the root of the snapshot that the cache is of.
    ///   - now: the root of the one that is backed up.
    ///   - sink: where new blobs go; it need not know what the base holds.
    init(
        base: String, now: String, state: BaseState, sink: any BlobSink, codec: BlobCodec,
        polynomial: ChunkerPolynomial, pool: BlockingPool, guards: DetectionGuards = .all
    ) throws {
        pair = try SnapshotPair(base: base, now: now, pool: pool, guards: guards)
        comparison = try SnapshotComparison(base: base, now: now, guards: guards)
        self.state = state
        self.sink = sink
        self.codec = codec
        self.polynomial = polynomial
        self.pool = pool
        self.guards = guards
    }

    /// Compares, stores what is new, and computes the root tree.
    ///
    /// - Parameters:
    ///   - header: of the base, which the cache is of.
    ///   - volume: the subvolume that both should be snapshots of; where they are not, all
    ///     metadata is compared.
    /// - Throws: `FullScanReason`, what the sink throws.
    func run(from header: BaseHeader, volume: BtrfsUUID) async throws -> Outcome {
        if let objection = comparison.objectionToBase {
            throw FullScanReason(objection, "the base is not as it was when it was taken")
        }
        let objection = comparison.objectionToLineage(of: volume)
        let difference = try await comparison.run(
            objection == nil ? .sinceBase : .everything, pool: pool)
        var outcome = Outcome(
            header: header, changes: BaseChanges(), nestedSubvolumes: [],
            detection: BackupDetection(method: .changes))
        if let objection {
            outcome.detection = BackupDetection(
                method: .comparison, reason: objection,
                detail: "the volume does not follow its base; all metadata was compared")
        }
        outcome.detection.comparedInodes = difference.comparedInodes
        outcome.detection.changedInodes = Int64(difference.changes.count)
        if !difference.changes.isEmpty {
            let plan = try await plan(difference.changes)
            try await rebuild(plan, &outcome)
        }
        outcome.nestedSubvolumes = try await nestedSubvolumes(outcome.changes)
        return outcome
    }

    private func plan(_ changes: [SnapshotChange]) async throws -> ChangePlan {
        let links = ChangePlan.movesDirectories(changes) ? try await state.cache.links() : [:]
        return try await pair.look { readers in
            try ChangePlan(changes, knownLinks: links, now: readers.now)
        }
    }

    private func rebuild(_ plan: ChangePlan, _ outcome: inout Outcome) async throws {
        let cache = state.cache
        let store = FileContentStore(
            sink: sink, polynomial: polynomial, pool: pool,
            isKnown: { [state] in try await state.holds($0) })
        let entries = try await pool.run { [pair] in try EntryReader(path: pair.now) }
        let contents = try await ChangedContents(
            plan: plan, pair: pair, state: state, store: store, entries: entries,
            baseTransid: comparison.baseTransid, guards: guards, pool: pool
        ).run()
        outcome.detection.readBytes = store.readBytes
        outcome.changes.links = plan.linkChanges
        var builder = TreeBuilder(
            plan: plan, pair: pair, state: state, entries: entries, contents: contents,
            sink: sink, codec: codec, pool: pool)
        for directory in plan.directories { try await builder.build(directory) }
        outcome.detection.rebuiltDirectories = Int64(plan.directories.count)
        outcome.changes.removed = builder.removed
        outcome.changes.directories = builder.directories
        outcome.changes.holders = builder.holders
        outcome.changes.lengths = builder.lengths
        outcome.header.files += builder.addedFiles
        outcome.header.bytes += builder.addedBytes
        outcome.header.rootTree = try await builder.finish(
            former: outcome.header.rootTree, cache: cache
        ).hex
    }

    /// Where other subvolumes are inside, those that were there before too.
    private func nestedSubvolumes(_ changes: BaseChanges) async throws -> [[UInt8]] {
        var directories = Set(try await state.cache.directoriesWithSubvolumes())
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
            var found: [[UInt8]] = []
            for directory in directories {
                var names: [[UInt8]] = []
                var above = directory
                while above != SnapshotReader.rootInode, names.count < 4_096 {
                    guard let name = try readers.now.inode(above)?.names.first else {
                        throw FullScanReason.cacheIncomplete("a directory that is gone")
                    }
                    names.insert(name.name, at: 0)
                    above = name.directory
                }
                for entry in try readers.now.entries(of: directory) {
                    guard case .subvolume = entry.location else { continue }
                    found.append(
                        [UInt8]((names + [entry.name]).joined(separator: [UInt8(ascii: "/")])))
                }
            }
            return found.sorted { $0.lexicographicallyPrecedes($1) }
        }
    }
}
