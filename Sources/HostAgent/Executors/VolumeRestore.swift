import Platform
import Repository
import Shared

/// `volume.restore`: builds a volume from a backup in staging, recomputes the root tree from what
/// was written, and only then puts it into its place in one step (D5).
///
/// A staged one gets no further than a snapshot beside the bases, on which a later restore builds.
struct VolumeRestore: Sendable {
    let input: VolumeRestoreInput
    let work: Work

    private var project: ProjectID { input.volume.project }
    private var staging: String { work.layout.staging(project, work.operation) }

    func run() async throws -> RestoreReceipt {
        try await work.host.gate.alone(project) {
            if input.isStaged ?? false { return try await stage() }
            let publication: OperationJournal.Publication
            var result: VolumeBuild.Result?
            if let ready = try await interruptedPublication() {
                publication = ready
            } else {
                try await checkPlace()
                (publication, result) = try await built { try await build() }
                if publication.replaced != nil {
                    try await work.host.runtimes.stop(
                        project, uid: input.volume.uid, grace: .seconds(10))
                }
                try await work.ledger.setJournal(work.operation, .publishing(publication))
            }
            try await VolumePublisher(host: work.host)
                .publish(publication, of: work.operation)
            try await keepBase(publication, result)
            return RestoreReceipt(
                backup: input.backup.id, host: work.host.id,
                generation: input.volume.generation,
                rootTree: publication.rootTree ?? input.backup.rootTree,
                files: publication.files, bytes: publication.bytes, origin: publication.origin,
                objections: publication.objections, missing: publication.missing,
                reason: publication.reason)
        }
    }

    /// What a try before this one had ready, as long as it is there: in its place, or in staging.
    private func interruptedPublication() async throws -> OperationJournal.Publication? {
        guard case .publishing(let ready) = try await work.ledger.journal(work.operation) else {
            return nil
        }
        let files = try work.host.storage.files()
        for path in [work.layout.volume(project), staging]
        where try await files.uuid(path) == ready.subvolume { return ready }
        return nil
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

    /// What a failing `body` has left is removed: the next try begins anew, if there is one at all.
    private func built<Answer>(_ body: () async throws -> Answer) async throws -> Answer {
        do {
            return try await body()
        } catch {
            do {
                try await StagingCleanup(host: work.host).remove(work.operation, of: project)
            } catch {
                work.host.logger.warning(
                    "Staging was not cleaned; the next try or start does it.",
                    [
                        "operation": .init(describing: work.operation),
                        "error": .init(describing: error),
                    ])
            }
            throw error
        }
    }

    /// Restores into staging, with the receipt and the snapshot that becomes the base.
    private func build() async throws -> (OperationJournal.Publication, VolumeBuild.Result) {
        let files = try work.host.storage.files()
        try await StagingCleanup(host: work.host).remove(work.operation, of: project)
        let replaced =
            try await files.exists(work.layout.volume(project))
            ? try await work.ledger.volume(project)?.generation ?? 0 : nil
        let base = work.layout.nextBase(project, work.operation)
        let result = try await VolumeBuild(
            input: input, work: work, staging: staging, snapshot: base
        ).run()
        let (volume, snapshot) = (try await files.info(staging), try await files.info(base))
        // What is proved is in the snapshot, and what becomes the volume is in staging.
        guard volume.ctransid == snapshot.ctransid else {
            throw Failure(
                code: "receipt-mismatch",
                message: "something has written to \(staging) while it was restored",
                hint: "look who works in the host's staging directory", class: .retryable)
        }
        let publication = OperationJournal.Publication(
            subvolume: volume.uuid, base: snapshot.uuid, coveredTransid: snapshot.ctransid,
            volume: input.volume, backup: input.backup,
            replaced: replaced, files: result.summary.files, bytes: result.summary.bytes,
            rootTree: result.rootTree.hex, origin: result.origin,
            objections: result.objections.map(\.sentence), missing: result.missing,
            reason: input.isFromNothing == true ? "asked-for" : result.reason)
        return (publication, result)
    }

    /// Builds, and keeps a snapshot of it; can be repeated after a crash between any two steps.
    private func stage() async throws -> RestoreReceipt {
        guard input.isPartial != true else {
            throw Failure(
                code: "input-invalid", message: "a partial restore is nothing to build on")
        }
        let cleanup = StagingCleanup(host: work.host)
        let files = try work.host.storage.files()
        let path = work.layout.stagedState(project, work.operation)
        var receipt = RestoreReceipt(
            backup: input.backup.id, host: work.host.id, generation: input.volume.generation,
            rootTree: input.backup.rootTree, files: 0, bytes: 0)
        let kept = try await work.ledger.stagedState(of: project)
        if let kept, kept.operation == work.operation,
            try await files.uuid(path) == kept.subvolume
        {
            receipt.rootTree = kept.backup.rootTree
            return receipt
        }
        try await cleanup.remove(work.operation, of: project)
        let result = try await built {
            try await VolumeBuild(
                input: input, work: work, staging: staging, snapshot: path
            ).run()
        }
        try await cleanup.removeStagedState(of: project)
        let info = try await files.info(path)
        try await work.ledger.setStagedState(
            StagedState(
                operation: work.operation, backup: input.backup, filesystem: files.filesystem,
                subvolume: info.uuid, ctransid: info.ctransid), of: project)
        try await files.delete(staging)
        try await RestoredBase(project: project, backup: input.backup, work: work).keep(
            path, subvolume: info.uuid, of: result)
        (receipt.files, receipt.bytes) = (result.summary.files, result.summary.bytes)
        receipt.rootTree = result.rootTree.hex
        receipt.origin = result.origin
        receipt.objections = result.objections.map(\.sentence)
        receipt.reason = result.reason
        return receipt
    }

    /// What was restored is the base of the next backup; a partial restore is none.
    private func keepBase(
        _ publication: OperationJournal.Publication, _ result: VolumeBuild.Result?
    ) async throws {
        guard publication.missing?.isEmpty ?? true else {
            await work.host.bases.remove(project)
            return
        }
        try await RestoredBase(project: project, backup: input.backup, work: work).keep(
            work.layout.base(project), subvolume: publication.base, of: result)
    }
}
