import Btrfs
import Platform
import Shared

/// What btrfs says has changed between a base and a new snapshot, for which neither the repository
/// nor its key is needed.
struct ChangeDetection: Sendable {
    let pair: SnapshotPair
    let comparison: SnapshotComparison
    let changes: [SnapshotChange]
    /// For the operation's result.
    let report: BackupDetection

    /// Compares.
    ///
    /// - Parameters:
    ///   - base: the root of the snapshot that the cache is of.
    ///   - now: the root of the one that is backed up.
    ///   - volume: the subvolume that both should be snapshots of; where they are not, all
    ///     metadata is compared.
    /// - Throws: `FullScanReason` where the base is not what it was, `BtrfsError`.
    init(
        base: String, now: String, volume: BtrfsUUID, pool: BlockingPool,
        guards: DetectionGuards = .all
    ) async throws {
        try await self.init(base: base, now: now, pool: pool, guards: guards) {
            $0.objectionToLineage(of: volume)
        }
    }

    /// Compares a state with what was made of it.
    ///
    /// - Parameters:
    ///   - base: the root of the snapshot that the cache is of.
    ///   - made: a writable snapshot of it.
    ///   - now: the root of a snapshot of that.
    init(base: String, made: SubvolumeInfo, now: String, pool: BlockingPool) async throws {
        try await self.init(base: base, now: now, pool: pool, guards: .all) {
            $0.objectionToLineage(through: made)
        }
    }

    private init(
        base: String, now: String, pool: BlockingPool, guards: DetectionGuards,
        objection: (SnapshotComparison) -> String?
    ) async throws {
        let (pair, comparison) = try await pool.run {
            (
                try SnapshotPair(base: base, now: now, pool: pool, guards: guards),
                try SnapshotComparison(base: base, now: now, guards: guards)
            )
        }
        if let objection = comparison.objectionToBase {
            throw FullScanReason(objection, "the base is not as it was when it was taken")
        }
        let objection = objection(comparison)
        let difference = try await comparison.run(
            objection == nil ? .sinceBase : .everything, pool: pool)
        var report = BackupDetection(method: .changes)
        if let objection {
            report = BackupDetection(
                method: .comparison, reason: objection,
                detail: "the volume does not follow its base; all metadata was compared")
        }
        report.comparedInodes = difference.comparedInodes
        report.changedInodes = Int64(difference.changes.count)
        self.pair = pair
        self.comparison = comparison
        self.report = report
        changes = difference.changes
    }
}
