import Btrfs
import Platform
import Repository
import Shared

/// What is kept of what a restore has made, so that the first backup after it costs what has changed
/// since.
///
/// After a restore on a local state it follows from what was kept of that; else it is made of the
/// backup's trees. That it cannot be made undoes no restore: the next backup reads the whole volume.
struct RestoredBase: Sendable {
    let project: ProjectID
    let backup: BackupReference
    let work: Work

    /// Computes how what is kept of the state that a restore has built on follows to a snapshot of
    /// the result; nil where nothing usable is kept.
    ///
    /// - Throws: `RepositoryError` `verificationFailed` where the snapshot does not hold what the
    ///   backup does; `BtrfsError`, `PlatformError`.
    /// - Parameters:
    ///   - made: the path of the writable subvolume that was made.
    ///   - snapshot: the path of a read-only snapshot of it.
    func succession(
        of state: LocalState, made: String, snapshot: String, _ repository: OpenRepository
    ) async throws -> BaseSuccession? {
        guard let cache = await work.host.bases.open(project) else { return nil }
        do {
            let info = try await work.host.pool.run { try Subvolume(at: made).info() }
            let succession = try await BaseSuccession(
                from: state.path, by: info, to: snapshot, as: backup, cache: cache,
                codec: repository.codec, polynomial: repository.config.polynomial,
                pool: work.host.pool)
            await cache.close()
            return succession
        } catch let reason as FullScanReason {
            await cache.close()
            guard reason.saysNothingOfTheVolume else {
                throw RepositoryError(
                    code: .verificationFailed, message: "what was restored is not the backup",
                    cause: reason)
            }
            work.host.logger.info(
                "What is kept of a base is made anew after a restore.",
                ["project": .init(describing: project), "reason": .init(describing: reason)])
            return nil
        } catch {
            await cache.close()
            throw error
        }
    }

    /// Keeps it, once the snapshot is in its place.
    ///
    /// - Parameters:
    ///   - path: of the snapshot.
    ///   - subvolume: its identity.
    ///   - result: of the restore; nil where that was before a restart: then everything is read.
    func keep(_ path: String, subvolume: String, of result: VolumeBuild.Result?) async throws {
        do {
            if let succession = result?.succession, try await follow(succession) { return }
            let header = BaseHeader(
                backup: backup.id, rootTree: backup.rootTree, snapshot: subvolume, transid: 0,
                files: 0, bytes: 0)
            if let result, let spool = result.spool {
                return await work.host.bases.rebuild(
                    project, of: path, header, from: spool, result.repository.codec)
            }
            let opened = try await open(result)
            try await work.host.bases.rebuild(
                project, of: path, header, from: opened.repository, opened.index)
        } catch {
            if error is CancellationError { throw error }
            work.host.logger.warning(
                "Nothing is kept of what was restored; the next backup reads the whole volume.",
                ["project": .init(describing: project), "error": .init(describing: error)])
            await work.host.bases.remove(project)
        }
    }

    private func open(
        _ result: VolumeBuild.Result?
    ) async throws -> (repository: OpenRepository, index: RepositoryIndex) {
        if let result { return (result.repository, result.index) }
        let repository = try await RepositoryAccess.open(work)
        return (repository, try await repository.loadIndex())
    }

    private func follow(_ succession: BaseSuccession) async throws -> Bool {
        guard let cache = await work.host.bases.open(project) else { return false }
        do {
            try await cache.apply(succession.changes, header: succession.header)
            await cache.close()
            return true
        } catch let reason as FullScanReason {
            await cache.close()
            work.host.logger.info(
                "What is kept of a base is made anew after a restore.",
                ["project": .init(describing: project), "reason": .init(describing: reason)])
            return false
        } catch {
            await cache.close()
            throw error
        }
    }
}
