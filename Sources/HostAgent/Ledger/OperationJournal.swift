import Shared

/// What an operation that was interrupted goes on from; stored in the ledger before each step that
/// must not be done twice.
enum OperationJournal: Sendable, Codable, Equatable {
    /// A backup's snapshot was taken.
    case snapshot(BackupSnapshot)
    /// A backup was acknowledged; its snapshot is to become the base.
    case committed(BackupSnapshot, VolumeBackupResult)
    /// A restored volume is complete in staging and is to be published.
    case publishing(Publication)
    /// Something complete is to be put into a volume.
    case applying(Application)
    /// A command was started, which nobody may start twice.
    case executing

    /// The snapshot that a backup reads.
    struct BackupSnapshot: Sendable, Codable, Equatable {
        var takenAt: Timestamp
        /// The snapshot's and the volume's subvolume, and the volume's change counter at that
        /// moment.
        var subvolume: String
        var volume: String
        var coveredTransid: Int64
    }

    /// A restored volume on its way to its place.
    struct Publication: Sendable, Codable, Equatable {
        /// The restored volume and its snapshot.
        var subvolume: String
        var base: String
        var coveredTransid: Int64
        var volume: VolumeReference
        var backup: BackupReference
        /// The generation of the volume that it takes the place of, for the trash.
        var replaced: Int64?
        var files: Int64
        var bytes: Int64
        /// As the receipt has them; nil in a journal of an older agent.
        var rootTree: String?
        var origin: RestoreOrigin?
        var objections: [String]?
        var missing: [String]?
        var reason: String?
    }

    /// Files on their way to their place in a volume.
    struct Application: Sendable, Codable, Equatable {
        /// The inode of what is put into place.
        var inode: UInt64
        /// Whether all of an import is in its place; nil counts as false.
        var isInPlace: Bool?
    }
}
