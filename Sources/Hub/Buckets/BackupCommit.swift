import ObjectStore
import Platform
import Postgres
import Repository
import Shared

/// The commit of a backup (D13): the host has written packs; the hub checks them, writes index and
/// snapshot file, and records the backup.
///
/// From the record on it is acknowledged (D2).
///
/// The epoch is checked before, between and in the transaction that records; no step is inside a
/// transaction that waits for the bucket. A repetition gets the recorded answer.
struct BackupCommit: Sendable {
    let pool: PostgresPool
    let operations: OperationService
    let vault: RepositoryVault
    let locks: RepositoryLocks
    let operation: OperationID
    let host: HostID
    let author: RegistryWriter.Author

    /// How many blobs of the new packs are read back and opened before the backup counts.
    private static let sample = 16

    /// Commits, or answers the commit that was made before.
    ///
    /// - Throws: `Problem` `lease-lost`, `generation-lost`, `commit-refused`.
    func run(_ request: CommitRequest) async throws -> CommitAnswer {
        let (input, known) = try await check(request)
        if let known { return CommitAnswer(backup: known) }
        let row = try await vault.require(input.volume.project)
        // Also after a restart of the hub in the middle of the backup.
        try await locks.hold(row)
        let repository = try await vault.open(row)
        let root = try Self.rootTree(request)
        // The packs are what they are said to be, and some of their blobs open.
        let packs = try await repository.readHeaders(of: try Self.packs(request))
        var random = Random()
        try await repository.readBackSample(packs, count: Self.sample, using: &random)
        // Index before snapshot; both name only what is durable.
        _ = try await repository.writeIndex(packs)
        // Whatever changed, the root tree is in a new pack: the whole index is not needed then.
        var index = RepositoryIndex(packs)
        if !index.contains(root, kind: .tree) { index = try await repository.loadIndex() }
        _ = try await TreeWalker(
            rootTree: root, source: repository.blobSource(index: index)
        ).volume()
        _ = try await check(request)
        let snapshot = try await repository.writeSnapshot(Self.snapshot(request, input, root))
        return CommitAnswer(backup: try await record(request, input, row.id, snapshot))
    }

    /// The lease holds, the volume is placed on this host with this generation, and the backup is
    /// the operation's own.
    private func check(
        _ request: CommitRequest
    ) async throws -> (VolumeBackupInput, BackupReference?) {
        try await pool.withTransaction(retry: PostgresRetry()) { transaction in
            let input = try await fenced(request, in: transaction)
            let known = try await BackupReader(transaction).backup(request.backup)
            return (input, known?.reference)
        }
    }

    private func fenced(
        _ request: CommitRequest, in transaction: PostgresTransaction
    ) async throws -> VolumeBackupInput {
        let fenced = try await operations.fence(
            operation, epoch: request.epoch, host: host, in: transaction)
        guard fenced.kind == .volumeBackup else { throw Problem.forbidden }
        let input = try JSON.decode(VolumeBackupInput.self, from: fenced.input)
        guard input.backup == request.backup else { throw Problem.forbidden }
        let project = try await ProjectReader(transaction).project(input.volume.project)
        guard let project, project.host == host, project.generation == input.volume.generation
        else {
            throw Problem(
                status: 409, code: "generation-lost", title: "The project is placed elsewhere",
                detail: "project \(input.volume.project) is not on this host with generation "
                    + "\(input.volume.generation) any more")
        }
        return input
    }

    /// The commit point: one transaction with the fence, the record, and the base's pin.
    private func record(
        _ request: CommitRequest, _ input: VolumeBackupInput, _ repository: RepositoryID,
        _ snapshot: BlobID
    ) async throws -> BackupReference {
        try await pool.withTransaction(retry: PostgresRetry()) { transaction in
            _ = try await fenced(request, in: transaction)
            let reader = BackupReader(transaction)
            if let known = try await reader.backup(request.backup) { return known.reference }
            var writer = try await RegistryWriter(transaction, author: author)
            let project = input.volume.project
            try await writer.record(
                .backupRecorded(
                    BackupRecorded(
                        backup: request.backup, project: project, repository: repository,
                        snapshot: snapshot.hex, rootTree: request.rootTree,
                        takenAt: request.takenAt, host: host,
                        generation: input.volume.generation, operation: operation,
                        files: request.files, bytes: request.bytes,
                        addedBytes: request.addedBytes, storedBytes: request.storedBytes,
                        omissions: request.omissions, tags: input.tags)))
            // The volume's base is this backup now, and its old base is free (D9).
            for old in try await reader.bases(of: project, on: host) {
                try await writer.record(
                    .pinReleased(
                        PinChanged(
                            project: project, backup: old, reason: .base, holder: host.uuid)))
            }
            try await writer.record(
                .pinAdded(
                    PinChanged(
                        project: project, backup: request.backup, reason: .base,
                        holder: host.uuid)))
            try await writer.finish()
            return BackupReference(
                id: request.backup, project: project, snapshot: snapshot.hex,
                rootTree: request.rootTree, takenAt: request.takenAt)
        }
    }

    /// The snapshot file; host and paths are stable, so that stock restic groups a project's
    /// backups.
    private static func snapshot(
        _ request: CommitRequest, _ input: VolumeBackupInput, _ root: BlobID
    ) -> SnapshotFile {
        let taken = request.takenAt.milliseconds
        let time = NodeTime(
            seconds: taken / 1000, nanoseconds: Int32(truncatingIfNeeded: taken % 1000) * 1_000_000)
        var file = SnapshotFile(
            time: time, tree: root, paths: ["/project"], hostname: "\(input.volume.project)")
        file.username = "berth"
        file.tags = input.tags + ["\(request.backup)"]
        file.programVersion = "berth \(SystemRoutes.version)"
        return file
    }

    private static func rootTree(_ request: CommitRequest) throws -> BlobID {
        guard let root = BlobID(hex: request.rootTree) else {
            throw refused("rootTree is not 64 hexadecimal digits")
        }
        return root
    }

    private static func packs(_ request: CommitRequest) throws -> [AnnouncedPack] {
        try request.packs.map { pack in
            guard let id = BlobID(hex: pack.id), let digest = BlobID(hex: pack.headerDigest) else {
                throw refused("pack \(pack.id.prefix(80)) or its header is not a SHA-256")
            }
            return AnnouncedPack(id: id, bytes: pack.bytes, headerDigest: digest)
        }
    }

    private static func refused(_ detail: String) -> Problem {
        Problem(
            status: 422, code: "commit-refused", title: "The backup is not acknowledged",
            detail: detail)
    }
}
