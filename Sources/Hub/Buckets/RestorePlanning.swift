import Repository
import Shared

/// Says what a restore would do, without doing anything.
extension RepositoryVault {
    /// Compares a backup with the one behind the state that the host has.
    ///
    /// - Parameters:
    ///   - backup: what would be restored.
    ///   - base: what the host's volume is based on; nil for a restore from nothing.
    /// - Throws: what opening and reading the repository throws.
    func plan(
        _ backup: BackupDescription, onto base: BackupDescription?
    ) async throws -> RestorePlan {
        let repository = try await open(try await require(backup.project))
        let index = try await repository.loadIndex()
        guard let base, let former = BlobID(hex: base.rootTree),
            let rootTree = BlobID(hex: backup.rootTree)
        else { return Self.fromNothing(backup) }
        let preview: RestorePreview
        do {
            preview = try await RestoreDelta.plan(
                from: former, to: rootTree,
                source: repository.blobSource(index: index, wholePackLimit: 256 << 10))
        } catch let error as RepositoryError where error.code == .limitExceeded {
            // The host, too, begins from nothing then.
            return Self.fromNothing(backup)
        }
        let fetched = preview.blobs.reduce(into: Int64(0)) { sum, id in
            sum += Int64(index.location(of: id, kind: .data)?.blob.length ?? 0)
        }
        return RestorePlan(
            backup: backup.id, origin: .base, former: base.id, made: preview.made,
            changed: preview.changed, removed: preview.removed, fetchedBytes: fetched,
            entries: preview.changes.map { change in
                RestorePlan.Entry(
                    change: RestorePlan.Change(change.kind),
                    path: String(decoding: change.path, as: UTF8.self), bytes: change.bytes)
            })
    }

    private static func fromNothing(_ backup: BackupDescription) -> RestorePlan {
        RestorePlan(
            backup: backup.id, origin: .nothing, former: nil, made: backup.files, changed: 0,
            removed: 0, fetchedBytes: backup.bytes, entries: [])
    }
}

extension RestorePlan.Change {
    fileprivate init(_ kind: RestorePreview.Change.Kind) {
        switch kind {
        case .make: self = .make
        case .change: self = .change
        case .remove: self = .remove
        }
    }
}
