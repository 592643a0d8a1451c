import Shared

/// What the ledger knows of a project's volume on this host.
struct VolumeRecord: Sendable, Equatable {
    /// The snapshot behind the last acknowledged backup, which the volume is compared with (D3).
    struct Base: Sendable, Equatable, Codable {
        var backup: BackupReference
        /// The file system and the volume's subvolume that the comparison holds for.
        var filesystem: FilesystemID
        var subvolume: String
        /// The change counter of the volume when the snapshot was taken.
        ///
        /// Measured on Linux 6.18: taking a snapshot commits the transaction, the read-only
        /// snapshot carries the volume's `ctransid`, and the volume's own stays as it was. Neither
        /// a flip of the read-only flag, a rename of the subvolume, a read (noatime), a remount
        /// nor the deletion of a snapshot raises it; any write after the snapshot does, because it
        /// belongs to a later transaction.
        var coveredTransid: Int64
        /// Whether something of the volume is not in the backup, such as a subvolume inside it,
        /// whose changes the volume's own counter does not show; nil counts as false.
        var isPartial: Bool?
        /// The snapshot itself; nil where an older agent did not note it.
        var snapshot: String?
    }

    let project: ProjectID
    /// The highest generation that an order named.
    var generation: Int64
    var uid: UInt32
    var gid: UInt32
    /// Whether the volume is here.
    var isPresent = false
    /// Whether it is read-only for a move.
    var isFrozen = false
    /// The volume's own subvolume, when it is here.
    var subvolume: String?
    var base: Base?
    /// When the first change after the base was seen.
    var firstChangeAt: Timestamp?
    /// The last observation that was put into the outbox.
    var reported: VolumeObservation?
}
