/// How thoroughly a prune works.
public struct PruneOptions: Sendable {
    /// Bytes of packs that may stay unused, in thousandths of the used ones; default 50 as in
    /// restic; 0 repacks every pack that holds anything unused.
    public var unusedPermille: Int
    /// Packs below this are merged when there are `smallPackCount` of their kind; default 4 MiB.
    public var smallPackBytes: Int64
    /// So many small packs of a kind are merged; default 10, at least 2.
    public var smallPackCount: Int
    /// How long new packs become; default 16 MiB.
    public var packBytes: Int
    /// What restic shows of the lock's holder; synthetic, and nobody else's: what is left of a
    /// prune that died is recognised by it.
    public var hostname: String
    /// The synthetic host names of locks that do not stand in a prune's way: those of the hub's own
    /// backups, of which the protocol takes care.
    public var colleagues: Set<String>

    /// The defaults; set what is to be different.
    public init(
        unusedPermille: Int = 50, smallPackBytes: Int64 = 4 << 20, smallPackCount: Int = 10,
        packBytes: Int = 16 << 20, hostname: String = "berth-prune.invalid",
        colleagues: Set<String> = []
    ) {
        self.unusedPermille = max(0, unusedPermille)
        self.smallPackBytes = smallPackBytes
        self.smallPackCount = max(2, smallPackCount)
        self.packBytes = packBytes
        self.hostname = hostname
        self.colleagues = colleagues
    }
}

/// What a prune would do, or is going to do: the packs that it has marked.
///
/// The marks outlive the process: whoever goes on with the prune needs them and nothing else.
public struct PrunePlan: Sendable, Codable, Hashable {
    /// All packs that may go: unused, to be copied from, or in no index file.
    public var marked: [BlobID] = []
    /// Packs of which nothing is used.
    public var unusedPacks = 0
    /// Their bytes.
    public var unusedBytes: Int64 = 0
    /// Packs whose used blobs are copied into new ones.
    public var repackedPacks = 0
    /// Their bytes.
    public var repackedBytes: Int64 = 0
    /// Bytes that copying makes free.
    public var reclaimedByRepackingBytes: Int64 = 0
    /// Packs that no index file names: leftovers of backups that did not end.
    public var orphanedPacks = 0
    /// Their bytes.
    public var orphanedBytes: Int64 = 0
    /// Snapshot files that were looked at.
    public var snapshots = 0
    /// Packs in the store.
    public var packs = 0
    /// Bytes of all packs in the store.
    public var bytes: Int64 = 0

    /// Nothing to do.
    public init() {}

    /// What is free in the end.
    public var reclaimableBytes: Int64 {
        unusedBytes + orphanedBytes + reclaimedByRepackingBytes
    }
}

/// What the second phase of a prune has done before it deletes.
public struct PruneCompaction: Sendable, Codable, Hashable {
    /// Packs that no index file names any more, and that nothing reads once all have ended who
    /// began before: they are deleted then.
    public var droppedPacks = 0
    /// Marked packs that turned out to be needed.
    public var recoveredPacks = 0
    /// Packs that were copied from.
    public var repackedPacks = 0
    /// Packs that were written.
    public var writtenPacks = 0
    /// Bytes that were written.
    public var writtenBytes: Int64 = 0
    /// Index files that were replaced.
    public var replacedIndexFiles = 0

    /// Nothing done.
    public init() {}
}

/// What a prune has deleted.
public struct PruneRemoval: Sendable, Codable, Hashable {
    /// Packs that are gone.
    public var removedPacks = 0
    /// Their bytes.
    public var reclaimedBytes: Int64 = 0
    /// Marked packs that an index file names again, or that are in use: kept.
    public var keptPacks = 0

    /// Nothing deleted.
    public init() {}
}
