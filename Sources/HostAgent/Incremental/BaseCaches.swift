import Platform
import Repository
import Shared

/// The caches of the projects' bases in the agent's data directory.
struct BaseCaches: Sendable {
    let directory: DataDirectory
    let pool: BlockingPool
    let logger: Logger
    let builds = BaseBuilds()

    /// Opens a project's, empty where there was none that can be used; nil where not even an empty
    /// one can be made, for which backups only become slower.
    ///
    /// One that is still to be made is made first.
    func open(_ project: ProjectID) async -> BaseCache? {
        guard await builds.settle(project) else { return nil }
        return await openNow(project)
    }

    private func openNow(_ project: ProjectID) async -> BaseCache? {
        do {
            return try await BaseCache.open(path(project))
        } catch {
            logger.warning(
                "What is kept of a base cannot be used.",
                ["project": .init(describing: project), "error": .init(describing: error)])
            return nil
        }
    }

    /// Removes a project's, and what is kept of its repository's index.
    func remove(_ project: ProjectID) async {
        await builds.drop(project)
        await removeNow(project)
        await directory.indexCache(of: project, pool).remove()
    }

    private func removeNow(_ project: ProjectID) async {
        let path = path(project)
        do {
            try await pool.run { try BaseCache.remove(path) }
        } catch {
            logger.warning(
                "What is kept of a base cannot be removed.",
                ["project": .init(describing: project), "error": .init(describing: error)])
        }
    }

    /// Makes a project's anew from trees that have passed by, beside other work.
    ///
    /// - Parameters:
    ///   - snapshot: the path of the base.
    ///   - header: of the base, without totals.
    func rebuild(
        _ project: ProjectID, of snapshot: String, _ header: BaseHeader, from spool: TreeSpool,
        _ codec: BlobCodec
    ) async {
        await builds.add(project) { [self] in
            await make(
                project,
                BaseCacheBuilder.Source(
                    snapshot: snapshot, codec: codec, length: { spool.length(of: $0) },
                    tree: { id in
                        guard let tree = try await pool.run({ try spool.tree(id) }) else {
                            throw FullScanReason.cacheIncomplete("tree \(id) was not kept")
                        }
                        return tree
                    }), header)
        }
    }

    /// Makes a project's anew from the trees in its repository, now, while that can be read.
    func rebuild(
        _ project: ProjectID, of snapshot: String, _ header: BaseHeader,
        from repository: OpenRepository, _ index: RepositoryIndex
    ) async throws {
        await builds.drop(project)
        let source = repository.blobSource(index: index)
        let codec = repository.codec
        await make(
            project,
            BaseCacheBuilder.Source(
                snapshot: snapshot, codec: codec,
                length: { chunk in
                    index.location(of: chunk, kind: .data).map { Int64($0.blob.plaintextBytes) }
                },
                tree: { id in
                    try SealedTree(try await source.load(id, kind: .tree), id: id, codec: codec)
                }), header)
        try Task.checkCancellation()
    }

    /// Where that fails there is none, and the next backup reads the whole volume.
    private func make(
        _ project: ProjectID, _ source: BaseCacheBuilder.Source, _ header: BaseHeader
    ) async {
        await removeNow(project)
        guard let cache = await openNow(project) else { return }
        do {
            try await BaseCacheBuilder(source: source, cache: cache, pool: pool).build(header)
            await cache.close()
        } catch {
            await cache.close()
            await removeNow(project)
            guard !Task.isCancelled else { return }
            logger.warning(
                "Nothing is kept of a base; the next backup reads the whole volume.",
                ["project": .init(describing: project), "error": .init(describing: error)])
        }
    }

    private func path(_ project: ProjectID) -> String { "\(directory.caches)/\(project).base" }
}
