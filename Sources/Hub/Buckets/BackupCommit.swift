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
    /// - Throws: `Problem` `lease-lost`, `generation-lost`, `commit-refused`, `packs-lost`.
    func run(_ request: CommitRequest) async throws -> CommitAnswer {
        let (input, known) = try await check(request)
        if let known { return CommitAnswer(backup: known) }
        let row = try await vault.require(input.volume.project)
        if let same = try await confirm(request, input, row.id) {
            return CommitAnswer(backup: same)
        }
        // Also after a restart of the hub in the middle of the backup.
        try await locks.hold(row)
        let repository = try await vault.open(row)
        let root = try Self.rootTree(request)
        let packs = try await Self.verified(try Self.packs(request), in: repository)
        // Index before snapshot; both name only what is durable.
        _ = try await repository.writeIndex(packs)
        try await Self.checkRoot(root, base: input.base, in: packs, of: repository)
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

    /// A snapshot that is just what the base holds is no new backup: the base covers its moment
    /// too, and nothing is written to the bucket.
    ///
    /// One transaction with the fence and the record; a repetition finds it.
    ///
    /// - Returns: the base, or nil where there is something to be recorded.
    private func confirm(
        _ request: CommitRequest, _ input: VolumeBackupInput, _ repository: RepositoryID
    ) async throws -> BackupReference? {
        guard let base = input.base, request.packs.isEmpty, request.rootTree == base.rootTree
        else { return nil }
        return try await pool.withTransaction(retry: PostgresRetry()) { transaction in
            _ = try await fenced(request, in: transaction)
            let reader = BackupReader(transaction)
            guard let known = try await reader.backup(base.id),
                // Only the newest, so that what is newest stays what the volume held last.
                try await reader.newest(of: base.project)?.id == base.id,
                try await reader.repository(of: base.id) == repository,
                known.rootTree == request.rootTree, known.omissions == request.omissions,
                Set(input.tags).subtracting([BackupOrder.moveTag, BackupOrder.copyTag])
                    .isSubset(of: known.tags)
            else { return nil }
            if try await reader.isConfirmed(base.id, by: operation) { return known.reference }
            var writer = try await RegistryWriter(transaction, author: author)
            try await writer.record(
                .backupConfirmed(
                    BackupConfirmed(
                        backup: base.id, project: base.project, takenAt: request.takenAt,
                        host: host, generation: input.volume.generation, operation: operation)))
            try await pinBase(base.id, of: base.project, reader, &writer)
            try await writer.finish()
            return known.reference
        }
    }

    /// The packs are what they are said to be, and some of their blobs open.
    private static func verified(
        _ announced: [AnnouncedPack], in repository: OpenRepository
    ) async throws -> [PackDescription] {
        do {
            let packs = try await repository.readHeaders(of: announced)
            var random = Random()
            try await repository.readBackSample(packs, count: sample, using: &random)
            return packs
        } catch let error as RepositoryError where error.code != .store {
            let lost = try await repository.lost(of: announced).map(\.hex)
            guard !lost.isEmpty else { throw error }
            throw Problem(
                status: 422, code: Problem.packsLost,
                title: "The bucket does not have what was uploaded",
                detail: "\(lost.count) of \(announced.count) packs are missing or damaged, such as "
                    + "\(lost[0])", hint: "store them anew", packs: lost)
        }
    }

    /// The root tree is one of a volume, and in the bucket: among the new packs, or the base's own.
    private static func checkRoot(
        _ root: BlobID, base: BackupReference?, in packs: [PackDescription],
        of repository: OpenRepository
    ) async throws {
        if let nodes = try await repository.tree(root, in: packs) {
            _ = try TreeWalker.volume(of: nodes)
        } else if base?.rootTree != root.hex {
            throw refused("the root tree \(root) is in none of the packs, and not the base's")
        }
    }

    private func fencedOperation(
        _ request: CommitRequest, in transaction: PostgresTransaction
    ) async throws -> FencedOperation {
        try await operations.fence(
            operation, epoch: request.epoch, host: host, in: transaction)
    }

    private func fenced(
        _ request: CommitRequest, in transaction: PostgresTransaction
    ) async throws -> VolumeBackupInput {
        let fenced = try await fencedOperation(request, in: transaction)
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
            let root = try await fencedOperation(request, in: transaction).root
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
            try await pinBase(request.backup, of: project, reader, &writer)
            // Until whoever ordered it has heard of it and pins it himself (D9).
            let held = try await OperationBodyReader(transaction).pins(of: root)
            if !held.contains(where: { $0.backup == request.backup && $0.reason == .backup }) {
                try await writer.record(
                    .pinAdded(
                        PinChanged(
                            project: project, backup: request.backup, reason: .backup,
                            holder: root.uuid)))
            }
            try await writer.finish()
            return BackupReference(
                id: request.backup, project: project, snapshot: snapshot.hex,
                rootTree: request.rootTree, takenAt: request.takenAt)
        }
    }

    /// The volume's base is this backup now, and its old base is free (D9).
    private func pinBase(
        _ backup: BackupID, of project: ProjectID, _ reader: BackupReader,
        _ writer: inout RegistryWriter
    ) async throws {
        let bases = try await reader.bases(of: project, on: host)
        for old in bases where old != backup {
            try await writer.record(
                .pinReleased(
                    PinChanged(project: project, backup: old, reason: .base, holder: host.uuid)))
        }
        guard !bases.contains(backup) else { return }
        try await writer.record(
            .pinAdded(
                PinChanged(project: project, backup: backup, reason: .base, holder: host.uuid)))
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
