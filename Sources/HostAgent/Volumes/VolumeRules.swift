import Shared

/// Whether a volume is what an order takes it for, given what the ledger and the disk say: pure.
enum VolumeRules {
    /// Whether a volume holds changes that its base does not (D3): only the same change counter on
    /// the same file system and subvolume is fresh, and only where the backup holds everything.
    static func freshness(
        transid: Int64, subvolume: String, filesystem: FilesystemID, base: VolumeRecord.Base?
    ) -> Freshness {
        // Without a backup every file is a change.
        guard let base else { return .dirty }
        guard base.filesystem == filesystem, base.subvolume == subvolume else { return .unknown }
        guard transid == base.coveredTransid else { return .dirty }
        return base.isPartial ?? false ? .unknown : .fresh
    }

    /// Why an order cannot work on a volume, which must be here and of the order's generation; nil
    /// when it can.
    ///
    /// - Parameters:
    ///   - path: where it should be.
    ///   - exists: whether a subvolume is there.
    static func refusal(
        of volume: VolumeReference, _ record: VolumeRecord?, at path: String, exists: Bool
    ) -> Failure? {
        guard let record, record.isPresent else {
            return Failure(
                code: "volume-missing",
                message: "project \(volume.project) has no volume on this host",
                hint: "start the project, which restores it")
        }
        guard exists else {
            return Failure(
                code: "volume-missing",
                message: "the volume of project \(volume.project) is gone from \(path)",
                hint: "somebody removed it; restore it from its last backup")
        }
        guard record.generation == volume.generation else {
            return Failure(
                code: "volume-outdated",
                message: "the volume of project \(volume.project) is of generation "
                    + "\(record.generation), and the order is of \(volume.generation)",
                hint: "the volume was placed elsewhere meanwhile; restore it here first")
        }
        return nil
    }

    /// Why an order may not retire a volume (D4); nil when it may.
    static func refusal(ofRetiring input: VolumeRetireInput, _ record: VolumeRecord?) -> Failure? {
        let volume = input.volume
        guard input.isDeletion || input.coveringBackup != nil else {
            return Failure(
                code: "cover-missing",
                message: "the order to retire the volume of project \(volume.project) names no "
                    + "backup that covers it",
                hint: "back the project up first")
        }
        guard let record, record.isPresent, record.generation > volume.generation else {
            return nil
        }
        return Failure(
            code: "generation-outdated",
            message: "the volume of project \(volume.project) is of generation "
                + "\(record.generation) here, and the order retires \(volume.generation)",
            hint: "it was placed here anew; nothing was retired")
    }
}
