import ObjectStore

/// Removes what no backup needs, in steps between which backups and restores go on (D2, D9).
///
/// 1. `plan` marks packs that may go. Nothing is changed.
/// 2. When all backups have ended that were in flight when the marks were made: `compact` copies
///    what is needed out of half-empty packs, and publishes an index without the marked ones. A
///    marked pack that a backup has come to need stays.
/// 3. When everybody has ended who may have read the index before: `sweep` deletes the marked packs
///    that no index file names.
///
/// A backup of Berth's reuses only what is reachable from its pinned base, or what it has uploaded
/// itself after the marks: so it never relies on a marked pack. Stock restic holds a lock while it
/// works: steps 2 and 3 take restic's exclusive lock for their last moments, look again at what
/// there is, and are refused while restic works. Every step may be cut short anywhere and repeated.
public struct Prune: Sendable {
    private let repository: OpenRepository
    private let options: PruneOptions

    /// - Parameters:
    ///   - repository: the repository; only one prune of it may run at a time.
    ///   - options: how thorough.
    public init(_ repository: OpenRepository, options: PruneOptions = PruneOptions()) {
        self.repository = repository
        self.options = options
    }

    /// Looks what there is to remove; changes nothing.
    ///
    /// - Throws: `RepositoryError`: `missing` or `corrupt` when the repository is not sound: then
    ///   nothing must be removed; `store`.
    @concurrent public func plan() async throws -> PrunePlan {
        var census = RepositoryCensus()
        try await census.take(of: repository)
        try census.requireUsedBlobs(in: census.indexed)
        let selection = PruneSelection(census, eligible: nil, options: options)
        var plan = PrunePlan()
        plan.snapshots = census.snapshots.count
        plan.packs = census.present.count
        plan.bytes = census.present.values.reduce(0, +)
        plan.unusedPacks = selection.unused.count
        plan.unusedBytes = selection.unused.reduce(0) { $0 + $1.bytes }
        plan.repackedPacks = selection.repacked.count
        plan.repackedBytes = selection.repacked.reduce(0) { $0 + $1.pack.bytes }
        plan.reclaimedByRepackingBytes = selection.repacked.reduce(0) {
            $0 + $1.pack.bytes - PackHeader.packBytes(of: $1.blobs)
        }
        let orphans = census.present.filter { census.indexed[$0.key]?.bytes != $0.value }
        plan.orphanedPacks = orphans.count
        plan.orphanedBytes = orphans.values.reduce(0, +)
        let ghosts = census.indexed.keys.filter { census.present[$0] == nil }
        plan.marked =
            (selection.unused.map(\.id) + selection.repacked.map(\.pack.id) + orphans.keys + ghosts)
            .sorted()
        return plan
    }

    /// Copies what is needed out of marked packs and takes these out of the index.
    ///
    /// - Parameters:
    ///   - plan: the marks; every backup that was in flight when they were made has ended.
    ///   - progress: told after each pack that was copied from: how many, of how many.
    /// - Throws: `RepositoryError`: `locked` while stock restic works, to be tried again; `missing`
    ///   or `corrupt` when the repository is not sound; `store`.
    @concurrent public func compact(
        _ plan: PrunePlan, progress: @escaping @Sendable (Int, Int) -> Void = { _, _ in }
    ) async throws -> PruneCompaction {
        let marked = Set(plan.marked)
        guard !marked.isEmpty else { return PruneCompaction() }
        // Also what a prune that died has left.
        try await RepositoryLock.remove(heldBy: options.hostname, in: repository)
        // A writer like others: stock prune would delete packs that are in no index yet.
        return try await locked(exclusively: false) {
            var census = RepositoryCensus()
            try await census.take(of: repository)
            try census.requireUsedBlobs(in: census.indexed)
            let selection = PruneSelection(census, eligible: marked, options: options)
            let copied = try await copy(selection, progress: progress)
            let known = census
            return try await locked(exclusively: true) {
                try await publish(without: marked, from: known, after: copied)
            }
        }
    }

    /// Deletes marked packs that no index file names.
    ///
    /// - Parameter plan: the marks; since `compact` everybody has ended who worked then.
    /// - Throws: as `compact`.
    @concurrent public func sweep(_ plan: PrunePlan) async throws -> PruneRemoval {
        guard !plan.marked.isEmpty else { return PruneRemoval() }
        try await RepositoryLock.remove(heldBy: options.hostname, in: repository)
        var census = RepositoryCensus()
        try await census.take(of: repository)
        let known = census
        return try await locked(exclusively: true) {
            var census = known
            try await census.take(of: repository)
            try census.requireUsedBlobs(in: census.indexed)
            var removal = PruneRemoval()
            for pack in plan.marked {
                guard let bytes = census.present[pack] else { continue }
                guard census.indexed[pack] == nil else {
                    removal.keptPacks += 1
                    continue
                }
                try await storing("delete a pack") {
                    try await repository.store.delete(.pack(pack))
                }
                removal.removedPacks += 1
                removal.reclaimedBytes += bytes
            }
            return removal
        }
    }

    /// Copies blobs as they are, without sealing them anew, each verified.
    private func copy(
        _ selection: PruneSelection, progress: @Sendable (Int, Int) -> Void
    ) async throws -> PruneCompaction {
        var done = PruneCompaction()
        guard !selection.repacked.isEmpty else { return done }
        let writer = PackWriter(
            store: repository.store, codec: repository.codec,
            options: PackWriter.Options(packBytes: options.packBytes))
        for (count, source) in selection.repacked.enumerated() {
            try Task.checkCancellation()
            for blob in try await repository.sealedBlobs(source.blobs, of: source.pack) {
                try await writer.add(blob)
            }
            progress(count + 1, selection.repacked.count)
        }
        let packs = try await writer.finish()
        try await repository.verifyPackHeaders(packs)
        _ = try await repository.writeIndex(packs)
        done.repackedPacks = selection.repacked.count
        done.writtenPacks = packs.count
        done.writtenBytes = packs.reduce(0) { $0 + $1.bytes }
        return done
    }

    /// Looks again, under the exclusive lock, and replaces the index files that name packs that
    /// may go by ones that do not.
    private func publish(
        without marked: Set<BlobID>, from census: RepositoryCensus, after copied: PruneCompaction
    ) async throws -> PruneCompaction {
        var (census, done) = (census, copied)
        try await census.take(of: repository)
        try census.requireUsedBlobs(in: census.indexed)
        // What goes: marked, and everything needed of it is in a pack that stays.
        let recovered = Self.recovered(marked, in: census)
        let dropped = marked.subtracting(recovered)
        let staying = census.indexed.filter { !dropped.contains($0.key) }
        try census.requireUsedBlobs(in: staying)
        let replaced = Self.replacedFiles(census.indexFiles, without: dropped)
        done.droppedPacks = dropped.filter { census.present[$0] != nil }.count
        done.recoveredPacks = recovered.count
        done.replacedIndexFiles = replaced.count
        guard !replaced.isEmpty else { return done }
        let packs = Set(replaced.values.flatMap(\.packs).map(\.id)).subtracting(dropped)
            .compactMap { census.indexed[$0] }.sorted { $0.id < $1.id }
        let written = Set(try await repository.writeIndex(packs))
        for id in replaced.keys where !written.contains(id) {
            try await repository.remove(.index, id)
        }
        return done
    }

    /// The marked packs that hold something needed that no unmarked pack holds.
    private static func recovered(
        _ marked: Set<BlobID>, in census: RepositoryCensus
    ) -> Set<BlobID> {
        let sound = census.indexed.values.filter { census.present[$0.id] == $0.bytes }
        let staying = RepositoryCensus.index(of: sound.filter { !marked.contains($0.id) })
        var recovered: Set<BlobID> = []
        for pack in sound where marked.contains(pack.id) {
            let isNeeded = pack.blobs.contains { blob in
                census.used.contains(blob) && !staying.contains(blob.id, kind: blob.kind)
            }
            if isNeeded { recovered.insert(pack.id) }
        }
        return recovered
    }

    /// Index files that name a pack that goes, and small ones where there are many.
    private static func replacedFiles(
        _ files: [BlobID: IndexFile], without dropped: Set<BlobID>
    ) -> [BlobID: IndexFile] {
        let small = files.filter {
            $0.value.packs.reduce(0) { $0 + $1.blobs.count } < IndexFile.blobsTarget / 4
        }
        return files.filter { id, file in
            small.count >= 8 && small[id] != nil
                || file.packs.contains { dropped.contains($0.id) }
        }
    }

    private func locked<Answer: Sendable>(
        exclusively: Bool, _ body: @escaping @Sendable () async throws -> Answer
    ) async throws -> Answer {
        try await RepositoryLock.holding(
            in: repository,
            as: LockFile(
                time: .now(), exclusive: exclusively, hostname: options.hostname,
                username: "berth", pid: 1),
            beside: options.colleagues.union([options.hostname]), body)
    }
}
