/// Which volume a host is to work on, and for whom.
///
/// A host refuses a lower generation than it has seen (D7).
public struct VolumeReference: Sendable, Codable, Hashable {
    public var project: ProjectID
    public var generation: Int64
    /// The project's user and group, one pair for the whole fleet.
    public var uid: UInt32
    public var gid: UInt32

    public init(project: ProjectID, generation: Int64, uid: UInt32, gid: UInt32) {
        self.project = project
        self.generation = generation
        self.uid = uid
        self.gid = gid
    }
}

/// A backup as a host needs it.
public struct BackupReference: Sendable, Codable, Hashable {
    public var id: BackupID
    /// The project that the backup is of, whose repository holds it.
    public var project: ProjectID
    /// The snapshot file's id: 64 hexadecimal digits.
    public var snapshot: String
    /// The root tree's id, the receipt to reach: 64 hexadecimal digits.
    public var rootTree: String
    /// When its snapshot was taken.
    public var takenAt: Timestamp

    public init(
        id: BackupID, project: ProjectID, snapshot: String, rootTree: String, takenAt: Timestamp
    ) {
        self.id = id
        self.project = project
        self.snapshot = snapshot
        self.rootTree = rootTree
        self.takenAt = takenAt
    }
}

/// Input of `volume.create`, `volume.thaw` and `host.check` on a volume.
public struct VolumeInput: Sendable, Codable, Hashable {
    public var volume: VolumeReference

    public init(volume: VolumeReference) {
        self.volume = volume
    }
}

/// Input of `volume.backup`.
public struct VolumeBackupInput: Sendable, Codable, Hashable {
    public var volume: VolumeReference
    /// The identity that the backup gets when it is acknowledged.
    public var backup: BackupID
    /// The last acknowledged backup, pinned while this one runs; its blobs may be reused.
    public var base: BackupReference?
    /// Whether the volume is made read-only and stays so: the last backup before a move.
    public var isFinal: Bool
    /// Stored with the snapshot.
    public var tags: [String]
    /// Whether the whole volume is read besides, and must be what the changes say; nil counts as
    /// false.
    public var isAudit: Bool?

    public init(
        volume: VolumeReference, backup: BackupID, base: BackupReference?, isFinal: Bool,
        tags: [String], isAudit: Bool? = nil
    ) {
        self.isAudit = isAudit
        self.volume = volume
        self.backup = backup
        self.base = base
        self.isFinal = isFinal
        self.tags = tags
    }
}

/// Result of `volume.backup`: what the hub acknowledged.
public struct VolumeBackupResult: Sendable, Codable, Hashable {
    public var backup: BackupReference
    public var files: Int64
    /// Size of the files in bytes.
    public var bytes: Int64
    /// Bytes of new plaintext, and what they took in the bucket.
    public var addedBytes: Int64
    public var storedBytes: Int64
    /// Paths that could not be read and nested subvolumes; empty for a whole backup.
    public var omissions: [String]
    /// Whether the volume was unchanged since its snapshot when the backup ended.
    public var isCurrent: Bool
    /// How changes were found; nil from an older agent.
    public var detection: BackupDetection?

    public init(
        backup: BackupReference, files: Int64, bytes: Int64, addedBytes: Int64, storedBytes: Int64,
        omissions: [String], isCurrent: Bool, detection: BackupDetection? = nil
    ) {
        self.detection = detection
        self.backup = backup
        self.files = files
        self.bytes = bytes
        self.addedBytes = addedBytes
        self.storedBytes = storedBytes
        self.omissions = omissions
        self.isCurrent = isCurrent
    }
}

/// Input of `volume.restore`: the volume's generation is the one it will have when placed here.
public struct VolumeRestoreInput: Sendable, Codable, Hashable {
    public var volume: VolumeReference
    public var backup: BackupReference
    /// Whether a volume that is there is exchanged for the restored one and retired to the trash.
    public var replacesVolume: Bool
    /// Whether no local state is built on; nil counts as false.
    public var isFromNothing: Bool?
    /// Whether what is built is only kept on the host, for a later restore to build on; nil counts as
    /// false.
    public var isStaged: Bool?
    /// Whether what cannot be read is left out; nil counts as false.
    public var isPartial: Bool?

    public init(
        volume: VolumeReference, backup: BackupReference, replacesVolume: Bool,
        isFromNothing: Bool? = nil, isStaged: Bool? = nil, isPartial: Bool? = nil
    ) {
        self.volume = volume
        self.backup = backup
        self.replacesVolume = replacesVolume
        self.isFromNothing = isFromNothing
        self.isStaged = isStaged
        self.isPartial = isPartial
    }
}

/// What a restored volume was built on.
public enum RestoreOrigin: String, Sendable, Codable, CaseIterable {
    /// An empty volume.
    case nothing
    /// The snapshot behind the last acknowledged backup of the volume that was there.
    case base
    /// What an earlier step of a move had put on the host.
    case staged
}

/// Result of `volume.restore`: the receipt (D5).
public struct RestoreReceipt: Sendable, Codable, Hashable {
    public var backup: BackupID
    public var host: HostID
    public var generation: Int64
    /// Recomputed from what was written: 64 hexadecimal digits.
    public var rootTree: String
    /// Files that were written, and how long they are in bytes.
    public var files: Int64
    public var bytes: Int64
    /// nil where an older agent did not say.
    public var origin: RestoreOrigin?
    /// Why local states were not built on, one sentence each.
    public var objections: [String]?
    /// Why the nearest was not, in one word for metrics.
    public var reason: String?
    /// What a partial restore left out, and why; then the root tree is not the backup's.
    public var missing: [String]?

    public init(
        backup: BackupID, host: HostID, generation: Int64, rootTree: String, files: Int64,
        bytes: Int64, origin: RestoreOrigin? = nil, objections: [String]? = nil,
        missing: [String]? = nil, reason: String? = nil
    ) {
        self.origin = origin
        self.reason = reason
        self.objections = objections
        self.missing = missing
        self.backup = backup
        self.host = host
        self.generation = generation
        self.rootTree = rootTree
        self.files = files
        self.bytes = bytes
    }
}

/// What happens when the destination of a copy exists.
public enum Overwrite: String, Sendable, Codable, CaseIterable {
    /// The copy fails and changes nothing.
    case never
    /// The old content is replaced in one step and kept in a snapshot.
    case always
}

/// Input of `volume.apply`.
public struct VolumeApplyInput: Sendable, Codable, Hashable {
    public var volume: VolumeReference
    /// The copy that this applies, or nil for a restore of the project's own path.
    public var copy: CopyID?
    public var backup: BackupReference
    public var source: ProjectPath
    public var destination: ProjectPath
    public var overwrite: Overwrite
    /// Whether ownership, setuid bits, capabilities and devices are kept: only for the project's
    /// own path.
    public var isFaithful: Bool

    public init(
        volume: VolumeReference, copy: CopyID?, backup: BackupReference, source: ProjectPath,
        destination: ProjectPath, overwrite: Overwrite, isFaithful: Bool
    ) {
        self.volume = volume
        self.copy = copy
        self.backup = backup
        self.source = source
        self.destination = destination
        self.overwrite = overwrite
        self.isFaithful = isFaithful
    }
}

/// Input of `volume.retire`: the hub's order to give a volume up (D4).
public struct VolumeRetireInput: Sendable, Codable, Hashable {
    /// The volume with the generation that it was placed here with.
    public var volume: VolumeReference
    /// The backup that covers it, or nil when the project itself is deleted.
    public var coveringBackup: BackupID?
    /// Whether the project was deleted by its owner.
    public var isDeletion: Bool

    public init(volume: VolumeReference, coveringBackup: BackupID?, isDeletion: Bool) {
        self.volume = volume
        self.coveringBackup = coveringBackup
        self.isDeletion = isDeletion
    }
}

/// Input of `volume.import`.
public struct VolumeImportInput: Sendable, Codable, Hashable {
    public var volume: VolumeReference
    /// An absolute path of a directory on the host.
    public var directory: String
    public var destination: ProjectPath
    /// Whether ownership, setuid bits, capabilities and devices are kept; otherwise everything
    /// becomes the project's.
    public var isFaithful: Bool

    public init(
        volume: VolumeReference, directory: String, destination: ProjectPath, isFaithful: Bool
    ) {
        self.volume = volume
        self.directory = directory
        self.destination = destination
        self.isFaithful = isFaithful
    }
}

/// Input of `volume.execute`.
public struct VolumeExecuteInput: Sendable, Codable, Hashable {
    public var volume: VolumeReference
    /// The program and its arguments; found through PATH of the host.
    public var command: [String]
    /// Whether it runs as root rather than as the project's user.
    public var asRoot: Bool
    /// After this it is killed; at most a day.
    public var timeoutSeconds: Int

    public init(volume: VolumeReference, command: [String], asRoot: Bool, timeoutSeconds: Int) {
        self.volume = volume
        self.command = command
        self.asRoot = asRoot
        self.timeoutSeconds = timeoutSeconds
    }
}

/// Result of `volume.execute`.
public struct VolumeExecuteResult: Sendable, Codable, Hashable {
    /// The exit code, or 128 plus the signal's number.
    public var exitCode: Int32
    /// The first 64 KiB that it wrote to standard output and standard error; bytes that are not
    /// UTF-8 are replaced.
    public var output: String
    public var isTruncated: Bool

    public init(exitCode: Int32, output: String, isTruncated: Bool) {
        self.exitCode = exitCode
        self.output = output
        self.isTruncated = isTruncated
    }
}

/// How a project's process is run.
public struct RuntimeDescription: Sendable, Codable, Hashable {
    /// The program and its arguments; an empty list means that the project has no process.
    public var command: [String]
    public var environment: [String: String]
    /// How long a process may take to end after SIGTERM before it is killed; 1 to 3600, default 10.
    public var stopGraceSeconds: Int

    public init(
        command: [String], environment: [String: String] = [:], stopGraceSeconds: Int = 10
    ) {
        self.command = command
        self.environment = environment
        self.stopGraceSeconds = stopGraceSeconds
    }
}

/// Result of `runtime.stop`.
public struct RuntimeStopResult: Sendable, Codable, Hashable {
    /// The backup that holds all that the volume holds, found once nothing ran any more and
    /// everything was written out; nil where none does, and where that is not known.
    public var coveringBackup: BackupID?

    public init(coveringBackup: BackupID?) {
        self.coveringBackup = coveringBackup
    }
}

/// Input of `runtime.start` and `runtime.stop`.
public struct RuntimeInput: Sendable, Codable, Hashable {
    public var volume: VolumeReference
    public var runtime: RuntimeDescription

    public init(volume: VolumeReference, runtime: RuntimeDescription) {
        self.volume = volume
        self.runtime = runtime
    }
}
