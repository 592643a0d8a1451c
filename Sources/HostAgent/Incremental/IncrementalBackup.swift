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

    let detection: ChangeDetection
    let state: BaseState
    let sink: any BlobSink
    let codec: BlobCodec
    let polynomial: ChunkerPolynomial
    let pool: BlockingPool
    var guards = DetectionGuards.all
    /// Whether the sink need not be given what the base holds, which has to be looked up.
    var skipsKnown = true
    /// Told how many bytes of files were stored so far.
    var progress: @Sendable (Int64) -> Void = { _ in }

    private var pair: SnapshotPair { detection.pair }

    /// What came out where nothing has changed, which nobody needs the repository for.
    static func unchanged(
        _ detection: ChangeDetection, from header: BaseHeader, cache: BaseCache
    ) async throws -> Outcome {
        Outcome(
            header: header, changes: BaseChanges(),
            nestedSubvolumes: try await NestedSubvolumes(cache: cache, pair: detection.pair)
                .paths(after: BaseChanges()),
            detection: detection.report)
    }

    /// Stores what is new, and computes the root tree.
    ///
    /// The sink need not know what the base holds.
    ///
    /// - Parameter header: of the base, which the cache is of.
    /// - Throws: `FullScanReason`, what the sink throws.
    func run(from header: BaseHeader) async throws -> Outcome {
        var outcome = Outcome(
            header: header, changes: BaseChanges(), nestedSubvolumes: [],
            detection: detection.report)
        if !detection.changes.isEmpty {
            try await rebuild(try await plan(detection.changes), &outcome)
        }
        outcome.nestedSubvolumes = try await NestedSubvolumes(cache: state.cache, pair: pair)
            .paths(after: outcome.changes)
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
            isKnown: { [state, skipsKnown] in skipsKnown ? try await state.holds($0) : false },
            progress: progress)
        let entries = try await pool.run { [pair] in try EntryReader(path: pair.now) }
        let contents = try await ChangedContents(
            plan: plan, pair: pair, state: state, store: store, entries: entries,
            baseTransid: detection.comparison.baseTransid, guards: guards, pool: pool
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
}
