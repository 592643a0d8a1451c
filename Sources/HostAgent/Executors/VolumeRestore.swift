import Glibc
import Platform
import Repository
import Shared

/// `volume.restore`: builds a volume from a backup in staging, recomputes the root tree from what
/// was written, and only then puts it into its place in one step (D5).
struct VolumeRestore: Sendable {
    let input: VolumeRestoreInput
    let work: Work

    private var project: ProjectID { input.volume.project }
    private var staging: String {
        work.layout.staging(project, work.operation)
    }

    func run() async throws -> RestoreReceipt {
        try await work.host.gate.alone(project) {
            let publication: OperationJournal.Publication
            if case .publishing(let ready) = try await work.ledger.journal(work.operation) {
                publication = ready
            } else {
                try await checkPlace()
                do {
                    publication = try await build()
                } catch {
                    await discard()
                    throw error
                }
                if publication.replaced != nil {
                    try await work.host.runtimes.stop(
                        project, uid: input.volume.uid, grace: .seconds(10))
                }
                try await work.ledger.setJournal(work.operation, .publishing(publication))
            }
            try await VolumePublisher(host: work.host)
                .publish(publication, of: work.operation)
            try await keepBase(publication)
            return RestoreReceipt(
                backup: input.backup.id, host: work.host.id,
                generation: input.volume.generation, rootTree: input.backup.rootTree,
                files: publication.files, bytes: publication.bytes)
        }
    }

    /// Refuses before anything is fetched.
    private func checkPlace() async throws {
        let files = try work.host.storage.files()
        let exists = try await files.exists(work.layout.volume(project))
        guard exists, !input.replacesVolume else { return }
        throw Failure(
            code: "volume-exists",
            message: "project \(project) has a volume on this host already",
            hint: "retire it first, or restore with replacement")
    }

    /// Gives back the room of a try that failed: the next one begins anew, if there is one at all.
    private func discard() async {
        do {
            try await StagingCleanup(host: work.host).remove(work.operation, of: project)
        } catch {
            work.host.logger.warning(
                "Staging was not cleaned; the next try or start does it.",
                ["operation": .init(describing: work.operation), "error": .init(describing: error)])
        }
    }

    /// Restores into staging and verifies what was written.
    private func build() async throws -> OperationJournal.Publication {
        let files = try work.host.storage.files()
        try await StagingCleanup(host: work.host).remove(work.operation, of: project)
        let replaced =
            try await files.exists(work.layout.volume(project))
            ? try await work.ledger.volume(project)?.generation ?? 0 : nil
        try await files.create(staging, uid: 0, gid: 0, mode: 0o700)
        let summary = try await restore()
        try await verify()
        let base = work.layout.nextBase(project, work.operation)
        try await files.snapshot(staging, to: base)
        let volume = try await files.info(staging)
        return OperationJournal.Publication(
            subvolume: volume.uuid, base: try await files.info(base).uuid,
            coveredTransid: volume.ctransid, volume: input.volume, backup: input.backup,
            replaced: replaced, files: summary.files, bytes: summary.bytes)
    }

    private func restore() async throws -> RestoreSummary {
        work.progress.report("open", 1)
        let repository = try await RepositoryAccess.open(work)
        guard let rootTree = BlobID(hex: input.backup.rootTree) else {
            throw Failure(
                code: "input-invalid", message: "\(input.backup.rootTree) is no root tree's id")
        }
        let progress = work.progress
        let target = try Descriptor(opening: staging, flags: O_DIRECTORY | O_NOFOLLOW)
        let restore = try Restore(
            source: try await repository.blobSource(), target: target, policy: .faithful
        ) { state in
            progress.report(
                "restore", 2, done: state.bytesDone, total: state.bytesTotal, unit: .bytes)
        }
        return try await restore.run(.volume, of: rootTree)
    }

    /// The receipt: the root tree computed anew from what is on the disk now.
    private func verify() async throws {
        let progress = work.progress
        let repository = try await RepositoryAccess.open(work)
        let summary = try await Backup(
            path: staging, sink: HashingSink(), polynomial: repository.config.polynomial
        ) { state in
            progress.report(
                "verify", 3, done: state.bytesDone, total: state.bytesTotal, unit: .bytes)
        }.run()
        guard summary.rootTree.hex == input.backup.rootTree else {
            throw Failure(
                code: "receipt-mismatch",
                message: "what was restored of backup \(input.backup.id) has the root tree "
                    + "\(summary.rootTree), and the backup has \(input.backup.rootTree); nothing "
                    + "was put into place",
                hint: "check the repository, and the host's disk")
        }
    }

    /// What was restored is the base of the next backup: its cache is made of the backup's trees,
    /// so that the first backup here costs what has changed since.
    private func keepBase(_ publication: OperationJournal.Publication) async throws {
        try await work.host.bases.rebuild(
            project, of: work.layout.base(project),
            BaseHeader(
                backup: input.backup.id, rootTree: input.backup.rootTree,
                snapshot: publication.base, transid: 0, files: 0, bytes: 0),
            from: try await RepositoryAccess.open(work))
    }
}
