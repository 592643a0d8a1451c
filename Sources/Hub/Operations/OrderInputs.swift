import Shared

/// Input of `backup`.
struct BackupOrder: Sendable, Codable, Hashable {
    /// What the backups carry that a move and a copy make for themselves: where there is nothing
    /// new, they make none.
    static let moveTag = "move"
    static let copyTag = "copy"

    /// Stored with the snapshot.
    var tags: [String] = []
    /// Whether everything is read besides and compared; nil counts as false.
    var isAudit: Bool?
}

/// Input of `restore`.
struct RestoreOrder: Sendable, Codable, Hashable {
    var backup: BackupReference
    /// Nil for the whole project.
    var path: ProjectPath?
    /// The same path where nil.
    var destination: ProjectPath?
    var overwrite: Overwrite
    /// Whether no local state is built on; nil counts as false.
    var isFromNothing: Bool?
    /// Whether what cannot be read is left out of a whole project; nil counts as false.
    var isPartial: Bool?
}

/// Input of `move`.
struct MoveOrder: Sendable, Codable, Hashable {
    var target: HostID
    /// Must be the project's name for a move away from a host that cannot be reached.
    var acceptLoss: String?
}

/// Input of `copy`.
struct CopyOrder: Sendable, Codable, Hashable {
    var path: ProjectPath
    /// 1 to 1,000.
    var destinations: [ProjectID]
    var destinationPath: ProjectPath
    var overwrite: Overwrite
    /// The backup to copy from; nil makes one unless the newest is current.
    var backup: BackupReference?
}
