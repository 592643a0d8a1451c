public import FoundationEssentials

/// A backup in lists.
public struct BackupDescription: Sendable, Codable, Hashable {
    public var id: BackupID
    public var project: ProjectID
    /// The snapshot's id in the restic repository.
    public var snapshot: String
    public var rootTree: String
    public var takenAt: Timestamp
    public var host: HostID
    public var generation: Int64
    public var files: Int64
    public var bytes: Int64
    public var addedBytes: Int64
    public var storedBytes: Int64
    public var omissions: [String]
    public var tags: [String]
    /// Why it must not go away.
    public var pins: [String]
    /// When a later snapshot of the volume was last found to be the same; nil when never.
    public var confirmedAt: Timestamp?

    public init(
        id: BackupID, project: ProjectID, snapshot: String, rootTree: String, takenAt: Timestamp,
        host: HostID, generation: Int64, files: Int64, bytes: Int64, addedBytes: Int64,
        storedBytes: Int64, omissions: [String], tags: [String], pins: [String],
        confirmedAt: Timestamp? = nil
    ) {
        self.confirmedAt = confirmedAt
        self.id = id
        self.project = project
        self.snapshot = snapshot
        self.rootTree = rootTree
        self.takenAt = takenAt
        self.host = host
        self.generation = generation
        self.files = files
        self.bytes = bytes
        self.addedBytes = addedBytes
        self.storedBytes = storedBytes
        self.omissions = omissions
        self.tags = tags
        self.pins = pins
    }
}

/// One entry of a directory in a backup.
public struct BackupEntry: Sendable, Codable, Hashable {
    /// The name's raw bytes; `text` is the same with bytes that are not UTF-8 replaced.
    public var name: Data
    public var text: String
    /// `file`, `dir`, `symlink`, `fifo`, `dev`, `chardev` or `socket`.
    public var type: String
    public var bytes: Int64
    /// Permission and setuid bits as chmod(2) takes them.
    public var mode: UInt32
    public var uid: UInt32
    public var gid: UInt32
    public var modifiedAt: Timestamp
    public var linkTarget: String?

    public init(
        name: Data, text: String, type: String, bytes: Int64, mode: UInt32, uid: UInt32,
        gid: UInt32, modifiedAt: Timestamp, linkTarget: String?
    ) {
        self.name = name
        self.text = text
        self.type = type
        self.bytes = bytes
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.modifiedAt = modifiedAt
        self.linkTarget = linkTarget
    }
}
