import Platform
import Repository
import Shared

/// The caches of the projects' bases in the agent's data directory.
struct BaseCaches: Sendable {
    let directory: DataDirectory
    let pool: BlockingPool
    let logger: Logger

    /// Opens a project's, empty where there was none that can be used; nil where not even an empty
    /// one can be made, for which backups only become slower.
    func open(_ project: ProjectID) async -> BaseCache? {
        do {
            return try await BaseCache.open(path(project))
        } catch {
            logger.warning(
                "What is kept of a base cannot be used.",
                ["project": .init(describing: project), "error": .init(describing: error)])
            return nil
        }
    }

    /// Removes a project's.
    func remove(_ project: ProjectID) async {
        let path = path(project)
        do {
            try await pool.run { try BaseCache.remove(path) }
        } catch {
            logger.warning(
                "What is kept of a base cannot be removed.",
                ["project": .init(describing: project), "error": .init(describing: error)])
        }
    }

    /// Makes a project's anew; where that fails there is none, and the next backup reads the whole
    /// volume.
    ///
    /// - Parameters:
    ///   - snapshot: the path of the base.
    ///   - header: of the base, without totals.
    ///   - length: the length of a chunk, where it is known.
    ///   - tree: a tree of the base's backup.
    func rebuild(
        _ project: ProjectID, of snapshot: String, _ header: BaseHeader, codec: BlobCodec,
        length: @escaping @Sendable (BlobID) -> Int64?,
        tree: @escaping @Sendable (BlobID) async throws -> SealedTree
    ) async throws {
        await remove(project)
        guard let cache = await open(project) else { return }
        do {
            try await BaseCacheBuilder(
                snapshot: snapshot, cache: cache, codec: codec, pool: pool, length: length,
                tree: tree
            ).build(header)
            await cache.close()
        } catch {
            await cache.close()
            await remove(project)
            try Task.checkCancellation()
            logger.warning(
                "Nothing is kept of a base; the next backup reads the whole volume.",
                ["project": .init(describing: project), "error": .init(describing: error)])
        }
    }

    /// Makes a project's anew from the trees in its repository.
    func rebuild(
        _ project: ProjectID, of snapshot: String, _ header: BaseHeader,
        from repository: OpenRepository, _ index: RepositoryIndex
    ) async throws {
        let source = repository.blobSource(index: index)
        let codec = repository.codec
        try await rebuild(
            project, of: snapshot, header, codec: codec,
            length: { chunk in
                index.location(of: chunk, kind: .data).map { Int64($0.blob.plaintextBytes) }
            },
            tree: { id in
                try SealedTree(try await source.load(id, kind: .tree), id: id, codec: codec)
            })
    }

    private func path(_ project: ProjectID) -> String { "\(directory.caches)/\(project).base" }
}
