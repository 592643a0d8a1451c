import Btrfs
import Glibc
import ObjectStore
import Platform
import Repository
import Shared

/// Builds in staging what a backup holds: on the nearest local state, or from nothing; and takes a
/// read-only snapshot of it.
///
/// Whatever is odd about a local state, before the work or in its proof, ends in a restore from
/// nothing, and is told in the result.
struct VolumeBuild: Sendable {
    struct Result: Sendable {
        var summary: RestoreSummary
        /// Computed from what is in staging, or its snapshot.
        var rootTree: BlobID
        var origin: RestoreOrigin
        var objections: [LocalStates.Objection]
        /// What a partial restore has left out.
        var missing: [String]
        let repository: OpenRepository
        let index: RepositoryIndex
        /// How what is kept of the state that it was built on follows to it; nil where it does not.
        var succession: BaseSuccession?
        /// The trees that have passed by, where everything was read.
        var spool: TreeSpool?

        /// Why it was not built on the nearest local state, in one word; nil where it was.
        var reason: String? {
            objections.first?.code ?? (origin == .nothing ? "no-local-state" : nil)
        }
    }

    let input: VolumeRestoreInput
    let work: Work
    let staging: String
    /// Where the snapshot goes.
    let snapshot: String

    private var project: ProjectID { input.volume.project }

    func run() async throws -> Result {
        work.progress.report("open", 1)
        guard let rootTree = BlobID(hex: input.backup.rootTree) else {
            throw Failure(
                code: "input-invalid", message: "\(input.backup.rootTree) is no root tree's id")
        }
        let repository = try await RepositoryAccess.open(work)
        let isOwn = input.backup.project == project
        let index = try await repository.loadIndex(
            isOwn ? work.host.directory.indexCache(of: project, work.host.pool) : nil)
        var objections: [LocalStates.Objection] = []
        if !(input.isFromNothing ?? false), isOwn {
            let found = try await LocalStates(host: work.host).find(for: input.backup)
            objections = found.objections
            for state in found.states {
                do {
                    return try await build(
                        on: state, rootTree, repository, index, objections: objections)
                } catch  where Self.isDoubt(error) {
                    objections.append(
                        .init(
                            code: "\(state.origin.rawValue)-refuted",
                            sentence: "\(state.origin.rawValue): \(error)"))
                    work.host.logger.warning(
                        "A restore begins from nothing.",
                        [
                            "operation": .init(describing: work.operation),
                            "origin": .string(state.origin.rawValue),
                            "error": .init(describing: error),
                        ])
                }
            }
        }
        do {
            return try await buildFromNothing(rootTree, repository, index, objections)
        } catch let error as RepositoryError where input.isPartial ?? false {
            switch error.code {
            case .corrupt, .missing: break
            case .wrongKey, .unsupported, .alreadyExists, .locked, .limitExceeded, .invalidInput,
                .store, .fileSystem, .library, .verificationFailed:
                throw error
            }
            return try await buildPartially(rootTree, repository, index, objections)
        }
    }

    /// Whether a failure may come from the local state, rather than from the backup, the way to it or
    /// this host.
    private static func isDoubt(_ error: any Error) -> Bool {
        if error is BtrfsError || error is PlatformError { return true }
        guard let error = error as? RepositoryError else { return false }
        switch error.code {
        case .verificationFailed, .limitExceeded, .fileSystem, .missing, .corrupt, .unsupported,
            .invalidInput:
            return true
        case .wrongKey, .alreadyExists, .locked, .store, .library: return false
        }
    }

    // MARK: The ways

    private func build(
        on state: LocalState, _ rootTree: BlobID, _ repository: OpenRepository,
        _ index: RepositoryIndex, objections: [LocalStates.Objection]
    ) async throws -> Result {
        guard let former = BlobID(hex: state.backup.rootTree) else {
            throw RepositoryError(
                code: .invalidInput, message: "\(state.backup.rootTree) is no root tree's id")
        }
        try await clear()
        try await work.host.storage.files().snapshot(state.path, to: staging, isReadOnly: false)
        // Only what differs is fetched, which lies scattered.
        let source = repository.blobSource(index: index, wholePackLimit: 256 << 10)
        let target = try Descriptor(opening: staging, flags: O_DIRECTORY | O_NOFOLLOW)
        let delta = try RestoreDelta(
            source: source, target: target,
            proof: RestoreProof(sink: HashingSink()) { source.length(of: $0, kind: .data) },
            length: { source.length(of: $0, kind: .data) }, progress: report)
        let written = try await delta.write(from: former, to: rootTree)
        // Which makes it durable as well.
        try await take()
        let succession = try await RestoredBase(project: project, backup: input.backup, work: work)
            .succession(of: state, made: staging, snapshot: snapshot, repository)
        // What follows to the backup's root tree by what btrfs says has changed is proved by that.
        if succession == nil {
            let found = try await delta.prove(written)
            guard found == rootTree else {
                throw RepositoryError(
                    code: .verificationFailed, message: "the root tree came out as \(found)")
            }
        }
        return Result(
            summary: written.summary, rootTree: rootTree, origin: state.origin,
            objections: objections, missing: [], repository: repository, index: index,
            succession: succession)
    }

    private func buildFromNothing(
        _ rootTree: BlobID, _ repository: OpenRepository, _ index: RepositoryIndex,
        _ objections: [LocalStates.Objection]
    ) async throws -> Result {
        let (directory, codec) = (work.host.directory.caches, repository.codec)
        let spool = try await work.host.pool.run {
            try TreeSpool(directory: directory, codec: codec)
        }
        let source = repository.blobSource(index: index, cacheBytes: 48 << 20, keeper: spool)
        let target = try await makeTarget()
        let restore = try Restore(
            source: source, target: target, policy: .faithful,
            proof: RestoreProof(sink: HashingSink()) { source.length(of: $0, kind: .data) },
            progress: report)
        let summary: RestoreSummary
        do {
            summary = try await restore.run(.volume, of: rootTree)
        } catch let error as RepositoryError where error.code == .verificationFailed {
            throw mismatch("\(error)")
        }
        guard summary.rootTree == rootTree else {
            throw mismatch("it has the root tree \(summary.rootTree?.hex ?? "of nothing")")
        }
        try await take()
        return Result(
            summary: summary, rootTree: rootTree, origin: .nothing, objections: objections,
            missing: [], repository: repository, index: index, spool: spool)
    }

    /// Leaves out what cannot be read.
    ///
    /// The receipt is of what is there then: never the backup's.
    private func buildPartially(
        _ rootTree: BlobID, _ repository: OpenRepository, _ index: RepositoryIndex,
        _ objections: [LocalStates.Objection]
    ) async throws -> Result {
        let losses = RestoreLosses()
        let target = try await makeTarget()
        let summary = try await Restore(
            source: repository.blobSource(index: index, cacheBytes: 48 << 20), target: target,
            policy: .faithful, losses: losses, progress: report
        ).run(.volume, of: rootTree)
        let found = try await Backup(
            path: staging, sink: HashingSink(), polynomial: repository.config.polynomial
        ).run()
        try await take()
        return Result(
            summary: summary, rootTree: found.rootTree, origin: .nothing, objections: objections,
            missing: losses.texts, repository: repository, index: index)
    }

    // MARK: Staging

    private func clear() async throws {
        let files = try work.host.storage.files()
        for path in [staging, snapshot] where try await files.exists(path) {
            try await files.delete(path)
        }
    }

    private func take() async throws {
        try await work.host.storage.files().snapshot(staging, to: snapshot)
    }

    private func makeTarget() async throws -> Descriptor {
        try await clear()
        try await work.host.storage.files().create(staging, uid: 0, gid: 0, mode: 0o700)
        return try Descriptor(opening: staging, flags: O_DIRECTORY | O_NOFOLLOW)
    }

    private var report: @Sendable (TransferProgress) -> Void {
        { [progress = work.progress] state in
            progress.report(
                "restore", 2, done: state.bytesDone, total: state.bytesTotal, unit: .bytes,
                message: "\(state.entriesDone) of \(state.entriesTotal) entries")
        }
    }

    private func mismatch(_ what: String) -> Failure {
        Failure(
            code: "receipt-mismatch",
            message: "what was restored of backup \(input.backup.id), of the root tree "
                + "\(input.backup.rootTree), is not what was to be: \(what); nothing was put "
                + "into place",
            hint: "check the repository, and the host's disk")
    }
}
