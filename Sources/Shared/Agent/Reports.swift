/// A batch from an agent's outbox; sequence numbers follow each other without a gap.
public struct ReportsRequest: Sendable, Codable {
    public var session: SessionID
    public var ledger: LedgerID
    /// At most 1,000.
    public var reports: [Report]

    public init(session: SessionID, ledger: LedgerID, reports: [Report]) {
        self.session = session
        self.ledger = ledger
        self.reports = reports
    }
}

/// The acknowledgement of reports (D8).
public struct ReportsAnswer: Sendable, Codable {
    /// Every report of the ledger up to this sequence has been applied.
    public var applied: Int64

    public init(applied: Int64) {
        self.applied = applied
    }
}

/// One message of a host about itself.
public struct Report: Sendable, Codable, Hashable {
    /// Counts from 1 in each ledger.
    public var sequence: Int64
    /// When the host observed it.
    public var time: Timestamp
    public var content: ReportContent

    public init(sequence: Int64, time: Timestamp, content: ReportContent) {
        self.sequence = sequence
        self.time = time
        self.content = content
    }
}

/// What a report says.
public enum ReportContent: Sendable, Codable, Hashable {
    /// An operation ended here; stored together with its effect.
    case operationFinished(OperationOutcome)
    /// What is known of a volume.
    case volume(VolumeObservation)
    /// A volume is not here any more.
    case volumeGone(ProjectID)
    /// What the whole file system holds; replaces all that was reported before.
    case inventory(Inventory)
}

/// How an operation ended on a host.
public struct OperationOutcome: Sendable, Codable, Hashable {
    public var operation: OperationID
    public var epoch: Int64
    /// `succeeded`, `failed` or `canceled`.
    public var state: OperationState
    /// The kind's own result document.
    public var result: JSONValue?
    public var failure: Failure?

    public init(
        operation: OperationID, epoch: Int64, state: OperationState, result: JSONValue?,
        failure: Failure?
    ) {
        self.operation = operation
        self.epoch = epoch
        self.state = state
        self.result = result
        self.failure = failure
    }
}

/// Whether a volume holds changes that no backup holds.
public enum Freshness: String, Sendable, Codable, CaseIterable {
    case fresh
    case dirty
    /// Counts as dirty (D3).
    case unknown
}

/// What a project's runtime does.
public enum RuntimeState: String, Sendable, Codable {
    case stopped
    case running
    /// Its process ended by itself.
    case exited
}

/// A volume as its host sees it.
public struct VolumeObservation: Sendable, Codable, Hashable {
    public var project: ProjectID
    public var generation: Int64
    /// btrfs's change counter of the volume when it was looked at, and the one that the last
    /// acknowledged backup covers, on the same file system and subvolume.
    public var transid: Int64
    public var coveredTransid: Int64?
    public var subvolume: String
    public var freshness: Freshness
    /// When the first change after the last good backup was seen.
    public var firstChangeAt: Timestamp?
    public var runtime: RuntimeState
    /// The backup behind the base snapshot.
    public var base: BackupID?
    /// Whether the volume is read-only for a move.
    public var isFrozen: Bool

    public init(
        project: ProjectID, generation: Int64, transid: Int64, coveredTransid: Int64?,
        subvolume: String, freshness: Freshness, firstChangeAt: Timestamp?, runtime: RuntimeState,
        base: BackupID?, isFrozen: Bool
    ) {
        self.project = project
        self.generation = generation
        self.transid = transid
        self.coveredTransid = coveredTransid
        self.subvolume = subvolume
        self.freshness = freshness
        self.firstChangeAt = firstChangeAt
        self.runtime = runtime
        self.base = base
        self.isFrozen = isFrozen
    }
}

/// What a scan of a host's file system found; a scan that failed or was partial is never sent.
public struct Inventory: Sendable, Codable, Hashable {
    public var filesystem: FilesystemID
    public var volumes: [VolumeObservation]

    public init(filesystem: FilesystemID, volumes: [VolumeObservation]) {
        self.filesystem = filesystem
        self.volumes = volumes
    }
}
