import ObjectStore
import Platform
import Repository
import Shared

/// `volume.backup`: takes a read-only snapshot, stores what the base does not hold, and has the hub
/// commit it (D2, D13).
///
/// What was uploaded is journaled, so that a try after a crash reads again but stores nothing
/// twice.
struct VolumeBackup: Sendable {
    let input: VolumeBackupInput
    let work: Work

    private var project: ProjectID { input.volume.project }
    private var volume: String { work.layout.volume(project) }
    private var staged: String {
        work.layout.nextBase(project, work.operation)
    }

    func run() async throws -> VolumeBackupResult {
        try await work.host.gate.alone(project) {
            let journal = try await work.ledger.journal(work.operation)
            if case .committed(let snapshot, let result) = journal {
                return try await settle(snapshot, result)
            }
            let record = try await work.record(of: input.volume)
            if !record.isFrozen {
                try await ApplyStaging.removeAll(in: volume, except: [], pool: work.host.pool)
            }
            if input.isFinal { try await freeze() }
            let snapshot = try await takeSnapshot(journal)
            let result = try await store(snapshot)
            try await work.ledger.setJournal(work.operation, .committed(snapshot, result))
            return try await settle(snapshot, result)
        }
    }

    /// Makes the volume read-only, once nothing of the project runs any more.
    private func freeze() async throws {
        let processes = ProjectProcesses(
            project, uid: input.volume.uid, ledger: work.ledger.id)
        let left = try await work.host.pool.run { try processes.all() }
        guard left.isEmpty else {
            throw Failure(
                code: "processes-left",
                message: "project \(project) still has \(left.count) processes, such as "
                    + "\(left.first ?? 0)",
                hint: "stop the project first", class: .retryable)
        }
        let files = try work.host.storage.files()
        try await files.sync(volume)
        try await files.setReadOnly(volume, true)
        try await work.ledger.setFrozen(project, true)
    }

    /// The snapshot that is backed up: the one that an interrupted try took, if it is still there.
    private func takeSnapshot(
        _ journal: OperationJournal?
    ) async throws -> OperationJournal.BackupSnapshot {
        let files = try work.host.storage.files()
        if case .snapshot(let taken) = journal, try await files.uuid(staged) == taken.subvolume {
            return taken
        }
        work.progress.report("snapshot", 1)
        if try await files.exists(staged) { try await files.delete(staged) }
        try await files.sync(volume)
        let takenAt = Timestamp.now()
        try await files.snapshot(volume, to: staged)
        let info = try await files.info(staged)
        let taken = OperationJournal.BackupSnapshot(
            takenAt: takenAt, subvolume: info.uuid, volume: try await files.info(volume).uuid,
            coveredTransid: info.ctransid)
        try await work.ledger.setJournal(work.operation, .snapshot(taken))
        return taken
    }

    /// Stores the snapshot and has it committed.
    private func store(
        _ snapshot: OperationJournal.BackupSnapshot
    ) async throws -> VolumeBackupResult {
        work.progress.report("open", 2)
        let repository = try await RepositoryAccess.open(work)
        let known = try await knownBlobs(repository)
        let ledger = work.ledger
        let operation = work.operation
        let writer = PackWriter(
            store: repository.store, codec: repository.codec,
            isKnown: { id, kind in known.contains(id, kind) },
            packIsDurable: { pack in
                try await ledger.recordUpload(pack, by: operation)
            })
        let progress = work.progress
        let sink = RecordingSink(writer)
        let source = try await work.host.pool.run { [staged] in
            try SnapshotSource.best(of: staged)
        }
        let summary = try await Backup(
            source: source, sink: sink, polynomial: repository.config.polynomial
        ) { state in
            progress.report(
                "upload", 3, done: state.bytesDone,
                // Not known until everything has been counted, which goes on beside.
                total: state.bytesTotal > 0 ? state.bytesTotal : nil, unit: .bytes)
        }.run()
        _ = try await writer.finish()
        let statistics = await writer.currentStatistics()
        work.progress.report("commit", 4)
        let packs = try await work.ledger.uploads(of: work.operation).map(CommitPack.init)
        let omissions = Self.omissions(of: summary)
        let request = CommitRequest(
            epoch: work.epoch, backup: input.backup, packs: packs,
            rootTree: summary.rootTree.hex, takenAt: snapshot.takenAt, files: summary.files,
            bytes: summary.bytes, addedBytes: statistics.addedBytes,
            storedBytes: packs.reduce(0) { $0 + $1.bytes }, omissions: omissions)
        let answer = try await work.hub.commit(work.operation, request)
        await work.host.cache.write(sink.blobs, project, answer.backup.id)
        return VolumeBackupResult(
            backup: answer.backup, files: summary.files, bytes: summary.bytes,
            addedBytes: statistics.addedBytes, storedBytes: request.storedBytes,
            omissions: omissions, isCurrent: false)
    }

    /// What need not be stored again.
    private func knownBlobs(_ repository: OpenRepository) async throws -> KnownBlobs {
        var known = KnownBlobs()
        if let base = input.base {
            known = try await KnownBlobs.of(base, repository, work.host.cache)
        }
        for pack in try await work.ledger.uploads(of: work.operation) { known.insert(pack) }
        return known
    }

    private static func omissions(of summary: BackupSummary) -> [String] {
        summary.issues.map { "\(String(decoding: $0.path, as: UTF8.self)): \($0.message)" }
            + summary.nestedSubvolumes.map {
                "\(String(decoding: $0, as: UTF8.self)): a subvolume of its own"
            }
    }

    /// Makes the snapshot of an acknowledged backup the base; can be repeated.
    private func settle(
        _ snapshot: OperationJournal.BackupSnapshot, _ result: VolumeBackupResult
    ) async throws -> VolumeBackupResult {
        let files = try work.host.storage.files()
        try await files.replaceBase(of: project, by: staged, subvolume: snapshot.subvolume)
        try await work.ledger.setBase(
            project,
            VolumeRecord.Base(
                backup: result.backup, filesystem: files.filesystem,
                subvolume: snapshot.volume, coveredTransid: snapshot.coveredTransid,
                isPartial: !result.omissions.isEmpty))
        // Polling lags behind what is only in memory, and a decision depends on it (D3).
        try await files.sync(volume)
        var result = result
        let now = try await files.info(volume)
        result.isCurrent =
            now.ctransid == snapshot.coveredTransid && now.uuid == snapshot.volume
            && result.omissions.isEmpty
        return result
    }
}
