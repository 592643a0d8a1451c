import Platform
import Shared

/// `volume.backup`: takes a read-only snapshot, stores what has changed since the base, has the hub
/// commit it (D2, D13), and makes the snapshot the new base.
///
/// What was uploaded is journaled, so that a try after a crash reads again but stores nothing
/// twice.
struct VolumeBackup: Sendable {
    /// How often a try stores what the bucket has lost.
    private static let rounds = 3

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
                return try await goOn(with: snapshot, result)
            }
            let record = try await work.record(of: input.volume)
            if !record.isFrozen {
                try await ApplyStaging.removeAll(in: volume, except: [], pool: work.host.pool)
            }
            if input.isFinal { try await freeze() }
            let snapshot = try await takeSnapshot(journal)
            let cache = await work.host.bases.open(project)
            do {
                let (stored, result) = try await store(snapshot, record.base, cache)
                guard result.isOfSnapshot else {
                    // An earlier try was recorded, and what it answered was lost: a backup, but not
                    // one of this snapshot, which must not become the base (D3).
                    await cache?.close()
                    try await work.host.storage.files().delete(staged)
                    return result.document
                }
                try await work.ledger.setJournal(
                    work.operation, .committed(snapshot, result.document))
                await keep(stored.update, as: result.document.backup, in: cache)
                await cache?.close()
                let settled = try await settle(snapshot, result.document)
                await rebuild(stored.update, as: result.document.backup)
                try refuse(stored.detection)
                return settled
            } catch {
                await cache?.close()
                throw error
            }
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
        // Noted first: what is noted is made good by the agent's next start.
        try await work.ledger.setFrozen(project, true)
        try await files.setReadOnly(volume, true)
    }

    /// The snapshot that is backed up: the one that an interrupted try took, if it is still there.
    private func takeSnapshot(
        _ journal: OperationJournal?
    ) async throws -> OperationJournal.BackupSnapshot {
        let files = try work.host.storage.files()
        if case .snapshot(let taken) = journal, try await canBecomeBase(taken) {
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

    /// Ends what an earlier try has had acknowledged.
    private func goOn(
        with snapshot: OperationJournal.BackupSnapshot, _ result: VolumeBackupResult
    ) async throws -> VolumeBackupResult {
        var result = result
        if try await canBecomeBase(snapshot) {
            result = try await settle(snapshot, result)
        } else {
            try await work.host.storage.files().delete(staged)
        }
        try refuse(result.detection)
        return result
    }

    /// Whether the snapshot of an earlier try is still there, and no other operation has made a
    /// later backup the base since.
    private func canBecomeBase(
        _ snapshot: OperationJournal.BackupSnapshot
    ) async throws -> Bool {
        let base = try await work.ledger.volume(project)?.base
        guard base.map({ $0.backup.takenAt <= snapshot.takenAt }) ?? true else { return false }
        let files = try work.host.storage.files()
        for path in [staged, work.layout.base(project)]
        where try await files.uuid(path) == snapshot.subvolume { return true }
        return false
    }

    /// A mismatch is loud, although everything is backed up by now.
    private func refuse(_ detection: BackupDetection?) throws {
        guard let detection, detection.reason == BackupDetection.auditMismatch else { return }
        work.host.logger.error(
            "An audit found a change that a backup had missed.",
            [
                "project": .init(describing: project),
                "operation": .init(describing: work.operation),
                "detail": .string(detection.detail ?? ""),
            ])
        throw Failure(
            code: BackupDetection.auditMismatch,
            message: "a backup had missed a change: \(detection.detail ?? "")",
            hint: "everything was read and backed up instead; keep the agent's log and report this",
            class: .terminal)
    }

    /// Stores the snapshot and has the hub acknowledge it; what the bucket has lost meanwhile is
    /// stored anew.
    private func store(
        _ snapshot: OperationJournal.BackupSnapshot, _ base: VolumeRecord.Base?,
        _ cache: BaseCache?
    ) async throws -> (SnapshotStorage.Stored, Commit) {
        var roundsLeft = Self.rounds
        while true {
            let stored = try await SnapshotStorage(
                input: input, work: work, snapshot: snapshot, path: staged, base: base,
                cache: cache
            ).run()
            do {
                return (stored, try await commit(stored, snapshot))
            } catch let error as AgentError {
                guard let problem = error.cause as? Problem, problem.code == Problem.packsLost,
                    let packs = problem.packs
                else { throw error }
                work.host.logger.warning(
                    "The bucket has lost packs of a backup in the making.",
                    [
                        "operation": .init(describing: work.operation),
                        "packs": .init(describing: packs),
                    ])
                try await work.ledger.forgetUploads(packs, of: work.operation)
                roundsLeft -= 1
                guard roundsLeft > 0 else { throw error }
            }
        }
    }

    /// What the hub has acknowledged, and whether it is of this snapshot.
    private typealias Commit = (document: VolumeBackupResult, isOfSnapshot: Bool)

    /// Has the hub acknowledge what was stored.
    private func commit(
        _ stored: SnapshotStorage.Stored, _ snapshot: OperationJournal.BackupSnapshot
    ) async throws -> Commit {
        work.progress.report("commit", 4)
        let packs = try await work.ledger.uploads(of: work.operation).map(CommitPack.init)
        let request = CommitRequest(
            epoch: work.epoch, backup: input.backup, packs: packs, rootTree: stored.rootTree,
            takenAt: snapshot.takenAt, files: stored.files, bytes: stored.bytes,
            addedBytes: stored.addedBytes, storedBytes: packs.reduce(0) { $0 + $1.bytes },
            omissions: stored.omissions, detection: stored.detection)
        let answer = try await work.hub.commit(work.operation, request)
        let result = VolumeBackupResult(
            backup: answer.backup, files: stored.files, bytes: stored.bytes,
            addedBytes: stored.addedBytes, storedBytes: request.storedBytes,
            omissions: stored.omissions, isCurrent: false, detection: stored.detection)
        return (result, answer.backup.rootTree == request.rootTree)
    }

    /// Has the cache follow to the snapshot, before that becomes the base: where the two do not fit
    /// each other, as after a crash in between, the next backup reads everything.
    private func keep(
        _ update: SnapshotStorage.BaseUpdate, as backup: BackupReference, in cache: BaseCache?
    ) async {
        guard case .changes(let changes, var header) = update else { return }
        header.backup = backup.id
        do {
            try await cache?.apply(changes, header: header)
        } catch {
            work.host.logger.warning(
                "What is kept of a base does not follow; the next backup reads the whole volume.",
                ["project": .init(describing: project), "error": .init(describing: error)])
        }
    }

    /// Has the cache of a base be made anew, from the trees that have just passed by.
    private func rebuild(
        _ update: SnapshotStorage.BaseUpdate, as backup: BackupReference
    ) async {
        switch update {
        case .changes: break
        case .none: await work.host.bases.remove(project)
        case .anew(var header, let spool, let codec):
            header.backup = backup.id
            await work.host.bases.rebuild(
                project, of: work.layout.base(project), header, from: spool, codec)
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
                isPartial: !result.omissions.isEmpty, snapshot: snapshot.subvolume))
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
