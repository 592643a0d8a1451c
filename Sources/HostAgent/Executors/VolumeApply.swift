import CPlatform
import Glibc
import Platform
import Repository
import Shared

/// `volume.apply`: restores one path of a backup into a volume, in one step: into a hidden
/// directory of the same subvolume first, then by a rename.
struct VolumeApply: Sendable {
    let input: VolumeApplyInput
    let work: Work

    private var project: ProjectID { input.volume.project }
    private var volume: String { work.layout.volume(project) }
    private var target: VolumePath { VolumePath(volume: volume, path: input.destination) }

    func run() async throws {
        guard let name = input.destination.name else {
            throw Failure(
                code: "destination-root",
                message: "a path cannot be put in the place of a project's root",
                hint: "name a destination inside, or restore the whole project")
        }
        try await work.host.gate.alone(project) {
            let record = try await work.record(of: input.volume)
            guard !record.isFrozen else {
                throw Failure(
                    code: "volume-frozen",
                    message: "the volume of project \(project) is read-only for a move",
                    class: .retryable)
            }
            let target = target
            let there = try await work.host.pool.run { try target.inode() }
            let journal = try await work.ledger.journal(work.operation)
            let staging = ApplyStaging(
                volume: volume, operation: work.operation, pool: work.host.pool)
            if case .applying(let application) = journal, there == application.inode {
                // A try before this one got as far as the rename.
                try await staging.remove()
                return
            }
            if there != nil, input.overwrite == .never { throw exists }
            let inode = try await staging.make()
            try await restore(into: staging, inode)
            try await publish(name, from: staging, inode)
            try await staging.remove()
        }
    }

    private var exists: Failure {
        Failure(
            code: "exists", message: "\(input.destination) exists in project \(project)",
            hint: "allow overwriting, or name another destination")
    }

    private func restore(into staging: ApplyStaging, _ inode: UInt64) async throws {
        work.progress.report("open", 1)
        let repository = try await RepositoryAccess.open(work)
        guard let rootTree = BlobID(hex: input.backup.rootTree) else {
            throw Failure(
                code: "input-invalid", message: "\(input.backup.rootTree) is no root tree's id")
        }
        let directory = try staging.open(inode: inode)
        let policy: RestorePolicy =
            input.isFaithful
            ? .faithful : .foreign(uid: input.volume.uid, gid: input.volume.gid)
        let progress = work.progress
        let restore = try Restore(
            source: try await repository.blobSource(), target: directory, policy: policy
        ) { state in
            progress.report(
                "restore", 2, done: state.bytesDone, total: state.bytesTotal, unit: .bytes)
        }
        let name = Array(ApplyStaging.contentName.utf8)
        _ = try await restore.run(.path(input.source.bytes, name: name), of: rootTree)
    }

    /// Keeps what is about to be replaced, in a snapshot of the volume of its own: what an earlier
    /// try has kept does not hold what was written since.
    private func keepOld() async throws {
        let files = try work.host.storage.files()
        try await files.makeDirectory(work.layout.snapshots(of: project), mode: 0o700)
        let snapshot = try await files.freeName(
            work.layout.snapshot(project, "before-\(work.operation)"))
        try await files.snapshot(volume, to: snapshot)
    }

    /// The commit point: one rename.
    private func publish(
        _ name: [UInt8], from staging: ApplyStaging, _ inode: UInt64
    ) async throws {
        let target = target
        let content = Array(ApplyStaging.contentName.utf8)
        let identity = try await work.host.pool.run {
            let directory = try staging.open(inode: inode)
            return try VolumePath.inode(of: content, in: directory)
        }
        try await work.ledger.setJournal(
            work.operation, .applying(OperationJournal.Application(inode: identity)))
        let volume = input.volume
        @Sendable func rename(isExchange: Bool) throws {
            try VolumePath.rename(
                content, in: staging.open(inode: inode), to: name,
                in: target.parent(uid: volume.uid, gid: volume.gid), isExchange: isExchange)
        }
        let isTaken = try await work.host.pool.run {
            do {
                try rename(isExchange: false)
                return false
            } catch let error as PlatformError where error.errno == EEXIST {
                return true
            }
        }
        if isTaken {
            guard input.overwrite == .always else { throw exists }
            try await keepOld()
            try await work.host.pool.run { try rename(isExchange: true) }
        }
        try await work.host.storage.files().sync(self.volume)
    }
}
