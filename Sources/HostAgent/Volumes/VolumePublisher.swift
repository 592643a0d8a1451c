import Shared

/// Puts a restored volume into its place.
///
/// Every step looks at what is there, by the subvolumes' own identities, so that it can be repeated
/// after a crash between any two of them.
struct VolumePublisher: Sendable {
    let host: Work.Host

    func publish(
        _ publication: OperationJournal.Publication, of operation: OperationID
    ) async throws {
        let project = publication.volume.project
        let files = try host.storage.files()
        let layout = host.storage.layout
        let staged = layout.staging(project, operation)
        let place = layout.volume(project)
        // The commit point: one rename.
        if try await files.uuid(place) != publication.subvolume {
            guard try await files.uuid(staged) == publication.subvolume else {
                throw Failure(
                    code: "staging-missing",
                    message: "the restored volume of project \(project) is gone from \(staged)",
                    class: .retryable)
            }
            if try await files.exists(place) {
                try await files.replace(place, by: staged)
            } else {
                try await files.rename(staged, to: place)
            }
        }
        // What was there before is kept in the trash.
        if try await files.exists(staged) {
            let trash = try await files.freeTrashPath(
                project, generation: publication.replaced ?? 0)
            try await files.rename(staged, to: trash)
        }
        let base = layout.nextBase(project, operation)
        try await files.replaceBase(of: project, by: base, subvolume: publication.base)
        // What a partial restore left out is in no volume: nothing may count as backed up.
        let isWhole = publication.missing?.isEmpty ?? true
        try await host.ledger.volumeAppeared(
            publication.volume, subvolume: publication.subvolume,
            base: isWhole
                ? VolumeRecord.Base(
                    backup: publication.backup, filesystem: files.filesystem,
                    subvolume: publication.subvolume,
                    coveredTransid: publication.coveredTransid, snapshot: publication.base) : nil)
        try await StagingCleanup(host: host).removeStagedState(of: project)
    }
}
