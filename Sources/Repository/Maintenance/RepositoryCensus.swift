import ObjectStore

/// All that is in a repository, read in an order in which a backup that is committed meanwhile is
/// seen wholly or not at all: snapshot files, then index files, then packs.
///
/// It can be taken again, and then reads only what is new.
struct RepositoryCensus: Sendable {
    /// The packs in the store with their lengths.
    private(set) var present: [BlobID: Int64] = [:]
    /// The snapshot files.
    private(set) var snapshots: [BlobID: SnapshotFile] = [:]
    /// The index files.
    private(set) var indexFiles: [BlobID: IndexFile] = [:]
    /// Every indexed pack with what all index files together say is in it.
    private(set) var indexed: [BlobID: PackDescription] = [:]
    /// What the snapshots need.
    private(set) var used = ReachableBlobs()

    /// Reads what is there now.
    ///
    /// - Throws: `RepositoryError`: `corrupt` or `missing` naming what cannot be read: nothing may
    ///   be decided then; `store`.
    mutating func take(of repository: OpenRepository) async throws {
        snapshots = try await repository.files(.snapshots, known: snapshots) {
            try await repository.snapshot($0)
        }
        indexFiles = try await repository.files(.index, known: indexFiles) {
            try await repository.indexFile($0)
        }
        indexed = Self.merged(indexFiles)
        present = try await repository.packsInStore()
        var used = self.used
        try await used.add(
            roots: snapshots.values.map(\.tree),
            from: repository.blobSource(index: Self.index(of: indexed.values)))
        self.used = used
    }

    /// Every used blob is in an indexed pack that is in the store as long as it should be.
    ///
    /// - Throws: `RepositoryError` with the code `missing` naming the first that is not.
    func requireUsedBlobs(in packs: [BlobID: PackDescription]) throws {
        let sound = packs.values.filter { present[$0.id] == $0.bytes }
        let index = Self.index(of: sound)
        try used.forEach { id, kind in
            guard !index.contains(id, kind: kind) else { return }
            throw RepositoryError(
                code: .missing(object: "blob \(id)"),
                message: "\(kind.rawValue) blob \(id), which a backup needs, is in no pack: "
                    + "nothing is removed; check the repository and repair it first")
        }
    }

    /// An index of some packs.
    static func index(of packs: some Sequence<PackDescription>) -> RepositoryIndex {
        var index = RepositoryIndex()
        for pack in packs { index.insert(pack) }
        return index
    }

    private static func merged(_ files: [BlobID: IndexFile]) -> [BlobID: PackDescription] {
        var packs: [BlobID: PackDescription] = [:]
        for pack in files.values.lazy.flatMap(\.packs) {
            guard let known = packs[pack.id] else {
                packs[pack.id] = pack
                continue
            }
            guard known.blobs != pack.blobs else { continue }
            // Old versions of restic could write one pack's blobs into two index files.
            let blobs = Set(known.blobs).union(pack.blobs).sorted { $0.offset < $1.offset }
            packs[pack.id] = PackDescription(
                id: pack.id, bytes: PackHeader.packBytes(of: blobs), blobs: blobs)
        }
        return packs
    }
}

extension OpenRepository {
    /// The packs in the store with their lengths; what is in `data/` under other names is passed
    /// over.
    func packsInStore() async throws -> [BlobID: Int64] {
        let listing = try await storing("list the packs") {
            try await store.list(try ObjectPrefix("data/"))
        }
        var packs: [BlobID: Int64] = [:]
        for entry in listing {
            guard let id = entry.name.id, try ObjectName.pack(id) == entry.name else { continue }
            packs[id] = entry.bytes
        }
        return packs
    }

    /// All files of a kind, of which some are known already.
    ///
    /// A file that vanishes between the listing and the reading was removed by somebody who had
    /// written what replaces it before: the listing is repeated.
    func files<File: Sendable>(
        _ kind: FileKind, known: [BlobID: File] = [:],
        _ read: @escaping @Sendable (BlobID) async throws -> File
    ) async throws -> [BlobID: File] {
        var found = known
        for _ in 0..<5 {
            let ids = try await ids(of: kind)
            let wanted = Set(ids)
            found = found.filter { wanted.contains($0.key) }
            let fresh = ids.filter { found[$0] == nil }
            let files = try await concurrentMap(fresh, width: Self.readWidth) { id -> File? in
                do {
                    return try await read(id)
                } catch let error as RepositoryError {
                    if case .missing = error.code { return nil }
                    throw error
                }
            }
            // `concurrentMap` leaves nil out of nothing: the answers are in the order of `fresh`.
            for (id, file) in zip(fresh, files) { found[id] = file }
            if found.count == ids.count { return found }
        }
        throw RepositoryError(
            code: .store, message: "files in \(kind.rawValue)/ are listed and cannot be read")
    }
}
