import Btrfs
import Platform
import Repository
import Shared

/// What is kept of a local state, carried over to what a restore has made of it, at the cost of what
/// differs.
///
/// The restore is not believed: btrfs says what differs between the two snapshots, that is read, and
/// the root tree that comes out must be the backup's.
struct BaseSuccession: Sendable {
    let changes: BaseChanges
    /// Of the new snapshot.
    let header: BaseHeader

    /// - Parameters:
    ///   - state: the path of the snapshot that was built on.
    ///   - made: what the restore has made, a writable snapshot of it.
    ///   - now: the path of a read-only snapshot of that.
    ///   - backup: what it holds.
    ///   - cache: what is kept of `state`; only read.
    /// - Throws: `FullScanReason` where the cache is not of the state, or the two snapshots do not
    ///   follow each other; `BtrfsError`, `PlatformError`, `RepositoryError`.
    init(
        from state: String, by made: SubvolumeInfo, to now: String, as backup: BackupReference,
        cache: BaseCache, codec: BlobCodec, polynomial: ChunkerPolynomial, pool: BlockingPool
    ) async throws {
        guard let former = try await cache.header() else {
            throw FullScanReason("cache-missing", "nothing is kept of the state")
        }
        let detection = try await ChangeDetection(base: state, made: made, now: now, pool: pool)
        let comparison = detection.comparison
        guard comparison.baseInfo.uuid.description == former.snapshot,
            comparison.baseTransid == former.transid
        else {
            throw FullScanReason("cache-of-another-base", "what is kept is of another snapshot")
        }
        let outcome = try await IncrementalBackup(
            detection: detection, state: BaseState(cache: cache, codec: codec),
            sink: HashingSink(), codec: codec, polynomial: polynomial, pool: pool,
            skipsKnown: false
        ).run(from: former)
        guard outcome.header.rootTree == backup.rootTree else {
            throw FullScanReason(
                "restore-mismatch",
                "what differs makes up root tree \(outcome.header.rootTree), and backup "
                    + "\(backup.id) is \(backup.rootTree)")
        }
        var header = outcome.header
        header.backup = backup.id
        header.snapshot = comparison.nowInfo.uuid.description
        header.transid = comparison.nowInfo.otransid
        self.header = header
        changes = outcome.changes
    }
}
