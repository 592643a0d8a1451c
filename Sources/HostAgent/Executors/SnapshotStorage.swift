import Btrfs
import ObjectStore
import Platform
import Repository
import Shared

/// Stores what a snapshot holds: what has changed since the base where that can be told, else
/// everything that neither the base nor an earlier try has stored.
struct SnapshotStorage: Sendable {
    let input: VolumeBackupInput
    let work: Work
    /// The snapshot and its path.
    let snapshot: OperationJournal.BackupSnapshot
    let path: String
    /// What the ledger says of the base; nil where there is none.
    let base: VolumeRecord.Base?
    /// What is kept of the base; nil where nothing can be kept.
    let cache: BaseCache?

    /// What was stored, and what is to be kept of it once it is acknowledged.
    struct Stored: Sendable {
        var rootTree: String
        var files: Int64
        var bytes: Int64
        var addedBytes: Int64
        var omissions: [String]
        var detection: BackupDetection
        var update: BaseUpdate
    }

    /// How the cache comes to be of the new base.
    enum BaseUpdate: Sendable {
        case changes(BaseChanges, BaseHeader)
        case anew(BaseHeader, TreeSpool, BlobCodec)
        /// It cannot: something of the snapshot is missing in the backup.
        case none
    }

    /// - Throws: what the repository and the hub throw.
    func run() async throws -> Stored {
        do {
            var stored = try await changes()
            if input.isAudit == true, let cache {
                try await SnapshotAudit(work: work, path: path, cache: cache)
                    .run(stored, since: input.base?.id)
                stored.detection.isAudited = true
            }
            return stored
        } catch let reason as FullScanReason {
            if base != nil {
                work.host.logger.info(
                    "A backup reads the whole volume.",
                    [
                        "operation": .init(describing: work.operation),
                        "reason": .string(reason.code), "detail": .string(reason.detail),
                    ])
            }
            return try await whole(reason)
        }
    }

    // MARK: - by what has changed

    private func changes() async throws -> Stored {
        let (cache, header) = try await usableCache()
        do {
            return try await changes(since: header, cache)
        } catch let error as BtrfsError {
            throw FullScanReason("detection-failed", "\(error)")
        } catch let error as PlatformError {
            throw FullScanReason("snapshot-unreadable", "\(error)")
        } catch let error as RepositoryError {
            switch error.code {
            case .fileSystem, .verificationFailed:
                throw FullScanReason("snapshot-unreadable", "\(error)")
            case .corrupt, .missing, .wrongKey, .unsupported, .store, .alreadyExists, .locked,
                .limitExceeded, .invalidInput, .library:
                throw error
            }
        }
    }

    /// The cache, where it is of the base that the hub has pinned and that is here.
    private func usableCache() async throws -> (BaseCache, BaseHeader) {
        guard let pinned = input.base else {
            throw FullScanReason("first-backup", "the project has no backup yet")
        }
        guard let base else {
            throw FullScanReason("no-base", "no backup was made or restored on this host yet")
        }
        guard base.backup.id == pinned.id, base.backup.rootTree == pinned.rootTree else {
            throw FullScanReason(
                "base-of-another-backup",
                "the base is behind backup \(base.backup.id), and \(pinned.id) is pinned")
        }
        let files = try work.host.storage.files()
        let place = work.layout.base(input.volume.project)
        guard base.filesystem == files.filesystem, let there = try await files.uuid(place),
            there == base.snapshot
        else {
            throw FullScanReason("base-missing", "the snapshot behind the base is not at \(place)")
        }
        guard let cache else {
            throw FullScanReason("cache-unusable", "no cache can be opened; see the agent's log")
        }
        guard let header = try await cache.header() else {
            throw FullScanReason("cache-missing", "nothing is kept of the base")
        }
        guard header.backup == pinned.id, header.rootTree == pinned.rootTree,
            header.snapshot == there
        else {
            throw FullScanReason(
                "cache-of-another-base", "what is kept is of the base behind \(header.backup)")
        }
        return (cache, header)
    }

    private func changes(since header: BaseHeader, _ cache: BaseCache) async throws -> Stored {
        work.progress.report("compare", 2)
        guard let volume = BtrfsUUID(snapshot.volume) else {
            throw AgentError(.ledger, "the ledger holds a subvolume without identity")
        }
        let detection = try await ChangeDetection(
            base: work.layout.base(input.volume.project), now: path, volume: volume,
            pool: work.host.pool)
        guard detection.comparison.baseInfo.uuid.description == header.snapshot,
            detection.comparison.baseTransid == header.transid
        else {
            throw FullScanReason("cache-of-another-base", "what is kept is of another snapshot")
        }
        if detection.changes.isEmpty {
            return stored(
                try await IncrementalBackup.unchanged(detection, from: header, cache: cache),
                detection.comparison.nowInfo, addedBytes: 0)
        }
        let repository = try await RepositoryAccess.open(work)
        var uploaded = KnownBlobs()
        for pack in try await work.ledger.uploads(of: work.operation) {
            uploaded.insert(pack)
        }
        let writer = writer(repository, known: uploaded)
        let progress = work.progress
        progress.report("upload", 3)
        let outcome = try await IncrementalBackup(
            detection: detection, state: BaseState(cache: cache, codec: repository.codec),
            sink: writer, codec: repository.codec, polynomial: repository.config.polynomial,
            pool: work.host.pool,
            progress: { progress.report("upload", 3, done: $0, unit: .bytes) }
        ).run(from: header)
        _ = try await writer.finish()
        return stored(
            outcome, detection.comparison.nowInfo,
            addedBytes: await writer.currentStatistics().addedBytes)
    }

    private func stored(
        _ outcome: IncrementalBackup.Outcome, _ now: SubvolumeInfo, addedBytes: Int64
    ) -> Stored {
        var header = outcome.header
        header.snapshot = now.uuid.description
        header.transid = now.otransid
        return Stored(
            rootTree: header.rootTree, files: header.files, bytes: header.bytes,
            addedBytes: addedBytes,
            omissions: Self.omissions(issues: [], nested: outcome.nestedSubvolumes),
            detection: outcome.detection, update: .changes(outcome.changes, header))
    }

    // MARK: - everything

    private func whole(_ reason: FullScanReason) async throws -> Stored {
        work.progress.report("open", 2)
        let repository = try await RepositoryAccess.open(work)
        var (known, reason) = (KnownBlobs(), reason)
        if let base = input.base {
            do {
                // What an audit has found wrong says nothing of what is stored.
                let cache = reason.code == BackupDetection.auditMismatch ? nil : cache
                known = try await KnownBlobs.of(base, repository, cache)
            } catch let damage as FullScanReason {
                // Whatever the base holds is stored once more.
                reason = FullScanReason(damage.code, "\(damage.detail); besides, \(reason)")
                work.host.logger.error(
                    "The backup that a backup builds on cannot be read; everything is stored anew.",
                    [
                        "operation": .init(describing: work.operation),
                        "detail": .string(damage.detail),
                    ])
            }
        }
        for pack in try await work.ledger.uploads(of: work.operation) { known.insert(pack) }
        let writer = writer(repository, known: known)
        let (directory, pool) = (work.host.directory.caches, work.host.pool)
        let spool = try await pool.run {
            try TreeSpool(directory: directory, codec: repository.codec)
        }
        let progress = work.progress
        let source = try await pool.run { [path] in try SnapshotSource.best(of: path) }
        let summary = try await Backup(
            source: source, sink: SpoolingSink(writer, spool: spool),
            polynomial: repository.config.polynomial
        ) { state in
            progress.report(
                "upload", 3, done: state.bytesDone,
                // Not known until everything has been counted, which goes on beside.
                total: state.bytesTotal > 0 ? state.bytesTotal : nil, unit: .bytes)
        }.run()
        _ = try await writer.finish()
        let path = path
        let now = try await pool.run { try Subvolume(at: path).info() }
        let header = BaseHeader(
            backup: input.backup, rootTree: summary.rootTree.hex,
            snapshot: now.uuid.description, transid: now.otransid, files: 0, bytes: 0)
        var detection = BackupDetection(
            method: .full, reason: reason.code, detail: reason.detail)
        detection.readBytes = summary.bytes
        return Stored(
            rootTree: summary.rootTree.hex, files: summary.files, bytes: summary.bytes,
            addedBytes: await writer.currentStatistics().addedBytes,
            omissions: Self.omissions(
                issues: summary.issues,
                nested: summary.nestedSubvolumes.sorted {
                    $0.lexicographicallyPrecedes($1)
                }), detection: detection,
            update: summary.issueCount == 0 ? .anew(header, spool, repository.codec) : .none)
    }

    private func writer(_ repository: OpenRepository, known: KnownBlobs) -> PackWriter {
        let (ledger, operation) = (work.ledger, work.operation)
        return PackWriter(
            store: repository.store, codec: repository.codec,
            isKnown: { id, kind in known.contains(id, kind) },
            packIsDurable: { pack in
                try await ledger.recordUpload(pack, by: operation)
            })
    }

    private static func omissions(
        issues: [BackupSummary.Issue], nested: [[UInt8]]
    ) -> [String] {
        issues.map { "\(String(decoding: $0.path, as: UTF8.self)): \($0.message)" }
            + nested.map { "\(String(decoding: $0, as: UTF8.self)): a subvolume of its own" }
    }
}
