/// Which of a project's backups are to be forgotten.
public struct ForgetRequest: Sendable, Codable, Hashable {
    /// Forgets what the policy does not keep.
    public var policy: RetentionPolicy?
    /// Forgets these: ids or unique parts of them.
    public var backups: [String]?
    /// Whether only to say what would be forgotten.
    public var isDryRun: Bool?

    public init(
        policy: RetentionPolicy? = nil, backups: [String]? = nil, isDryRun: Bool? = nil
    ) {
        self.policy = policy
        self.backups = backups
        self.isDryRun = isDryRun
    }
}

/// What a `forget` would do, the newest backup first.
public struct ForgetPlan: Sendable, Codable, Hashable {
    public var decisions: [RetentionDecision]

    public init(decisions: [RetentionDecision]) {
        self.decisions = decisions
    }
}

/// Result of `forget`.
public struct ForgetResult: Sendable, Codable, Hashable {
    public var forgotten: [BackupID]
    public var kept: Int
    /// Backups that were pinned meanwhile and so stayed.
    public var pinned: [BackupID]

    public init(forgotten: [BackupID], kept: Int, pinned: [BackupID]) {
        self.forgotten = forgotten
        self.kept = kept
        self.pinned = pinned
    }
}

/// How a project's repository is to be checked.
public struct CheckRequest: Sendable, Codable, Hashable {
    /// How much of the packs is read.
    public enum Reading: String, Sendable, Codable, CaseIterable {
        /// Presence and length of packs, all trees, all references.
        case none
        /// A twentieth of the bytes as well: those whose last reading is longest ago.
        case sample
        /// Everything that was not read since the check was ordered; goes on where it was.
        case all
    }

    public var reading: Reading

    public init(reading: Reading) {
        self.reading = reading
    }
}

/// Result of `check`.
public struct CheckResult: Sendable, Codable, Hashable {
    /// So many findings are kept.
    public static let findingsLimit = 100

    public var packs: Int
    /// Bytes of all packs.
    public var bytes: Int64
    public var blobs: Int
    public var snapshots: Int
    public var packsRead: Int
    public var bytesRead: Int64
    /// Packs that nothing names: leftovers, removed by the next prune.
    public var orphans: Int
    /// What is wrong, each naming its object, at most `findingsLimit`; `findingCount` counts all.
    public var findings: [String]
    public var findingCount: Int

    public init() {
        (packs, blobs, snapshots, packsRead, orphans) = (0, 0, 0, 0, 0)
        (bytes, bytesRead) = (0, 0)
        (findings, findingCount) = ([], 0)
    }
}

/// How a project's repository is to be pruned.
public struct PruneRequest: Sendable, Codable, Hashable {
    /// Whether only to say what would be removed.
    public var isDryRun: Bool?

    public init(isDryRun: Bool? = nil) {
        self.isDryRun = isDryRun
    }
}

/// Result of `prune`: what was removed, or with a dry run what would be.
public struct PruneResult: Sendable, Codable, Hashable {
    public var packs: Int
    public var bytes: Int64
    public var removedPacks: Int
    public var reclaimedBytes: Int64
    public var repackedPacks: Int
    public var writtenBytes: Int64
    /// Snapshot files that no acknowledged backup has.
    public var sweptSnapshots: Int

    public init() {
        (packs, bytes, removedPacks, reclaimedBytes) = (0, 0, 0, 0)
        (repackedPacks, writtenBytes, sweptSnapshots) = (0, 0, 0)
    }
}

/// How a project's repository is to be repaired.
public struct RepairRequest: Sendable, Codable, Hashable {
    /// Whether backups that are not whole may be put in place of by what is left of them.
    public var acceptsLoss: Bool?
    /// Whether only to say what is wrong, without reading the packs.
    public var isDryRun: Bool?

    public init(acceptsLoss: Bool? = nil, isDryRun: Bool? = nil) {
        self.acceptsLoss = acceptsLoss
        self.isDryRun = isDryRun
    }
}

/// Result of `repair`.
public struct RepairResult: Sendable, Codable, Hashable {
    /// So many lost paths and findings are kept.
    public static let listLimit = 1_000

    /// Packs that no index named rightly.
    public var recoveredPacks = 0
    /// Packs that an index names and that are not there.
    public var missingPacks = 0
    /// Index files that were replaced, damaged ones among them.
    public var replacedIndexFiles = 0
    /// Packs that were read.
    public var packsRead = 0
    public var bytesRead: Int64 = 0
    /// Packs in which damage was found.
    public var damagedPacks = 0
    /// Chunks and directories that were copied out of them.
    public var salvagedBlobs = 0
    public var lostBlobs = 0
    /// Backups that took the place of ones that were not whole, and those ones.
    public var repairedBackups: [BackupID] = []
    public var replacedBackups: [BackupID] = []
    /// What no backup holds any more, each with its snapshot's name, at most `listLimit`.
    public var lostPaths: [String] = []
    public var lostPathCount = 0
    /// What is still wrong.
    public var findings: [String] = []
    public var findingCount = 0

    public init() {}
}

/// How a project's repository is to be replaced by one with another key.
public struct RekeyRequest: Sendable, Codable, Hashable {
    /// Whether the old repository is removed from its bucket when the new one has taken its place.
    public var removesOld: Bool?

    public init(removesOld: Bool? = nil) {
        self.removesOld = removesOld
    }
}

/// Result of `rekey`.
public struct RekeyResult: Sendable, Codable, Hashable {
    public var repository: RepositoryID
    public var replaced: RepositoryID
    /// Where the old one is, as stock restic writes it.
    public var oldLocation: String
    public var isOldRemoved: Bool
    public var snapshots: Int
    public var copiedBlobs: Int
    public var writtenBytes: Int64

    public init(
        repository: RepositoryID, replaced: RepositoryID, oldLocation: String, isOldRemoved: Bool,
        snapshots: Int, copiedBlobs: Int, writtenBytes: Int64
    ) {
        self.repository = repository
        self.replaced = replaced
        self.oldLocation = oldLocation
        self.isOldRemoved = isOldRemoved
        self.snapshots = snapshots
        self.copiedBlobs = copiedBlobs
        self.writtenBytes = writtenBytes
    }
}
