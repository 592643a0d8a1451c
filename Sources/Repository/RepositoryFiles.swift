import ObjectStore

// The files beside packs: read by everyone, written by the hub alone (D13).
extension OpenRepository {
    /// All snapshot files, the oldest first.
    ///
    /// - Throws: `RepositoryError`: `corrupt` naming the file, `store`.
    public func snapshots() async throws -> [(id: BlobID, file: SnapshotFile)] {
        try await files(.snapshots) { try await snapshot($0) }
            .map { (id: $0.key, file: $0.value) }
            .sorted { ($0.file.time, $0.id) < ($1.file.time, $1.id) }
    }

    /// One snapshot file.
    ///
    /// - Throws: `RepositoryError`: `missing`, `corrupt`, `store`.
    public func snapshot(_ id: BlobID) async throws -> SnapshotFile {
        let json = try await read(.snapshots, id)
        return try JSONFile.decode(SnapshotFile.self, from: json, object: "snapshots/\(id)")
    }

    /// Writes a snapshot file; the packs and the index of everything it reaches are durable.
    ///
    /// - Returns: its name.
    public func writeSnapshot(_ file: SnapshotFile) async throws -> BlobID {
        try await write(.snapshots, JSONFile.encode(file))
    }

    /// Removes a snapshot file; one that is not there is a success.
    public func removeSnapshot(_ id: BlobID) async throws {
        try await remove(.snapshots, id)
    }

    /// Writes index files for packs that are durable.
    ///
    /// - Returns: the names of the files.
    public func writeIndex(_ packs: [PackDescription]) async throws -> [BlobID] {
        var ids: [BlobID] = []
        for file in IndexFile.split(packs) { ids.append(try await write(.index, file.encode())) }
        return ids
    }

    /// Loads all index files.
    ///
    /// A file that vanishes meanwhile was replaced by a prune, which wrote the new ones before: it
    /// begins again.
    ///
    /// - Parameter cache: where index files are kept.
    /// - Throws: `RepositoryError`: `corrupt` naming the file, `store`.
    public func loadIndex(_ cache: IndexCache? = nil) async throws -> RepositoryIndex {
        for _ in 0..<4 {
            do {
                return try await loadIndexOnce(cache)
            } catch let error as RepositoryError {
                guard case .missing = error.code else { throw error }
            }
        }
        return try await loadIndexOnce(cache)
    }

    private func loadIndexOnce(_ cache: IndexCache?) async throws -> RepositoryIndex {
        var index = RepositoryIndex()
        let ids = try await ids(of: .index)
        // In rounds, so that only a few decoded files are in memory at once.
        for start in stride(from: 0, to: ids.count, by: Self.readWidth) {
            let round = Array(ids[start..<min(start + Self.readWidth, ids.count)])
            let files = try await concurrentMap(round, width: Self.readWidth) { id in
                try await indexFile(id, cache)
            }
            for pack in files.flatMap(\.packs) { index.insert(pack) }
        }
        await cache?.keep(only: ids)
        return index
    }

    private func indexFile(_ id: BlobID, _ cache: IndexCache?) async throws -> IndexFile {
        if let kept = await cache?.read(id, codec) { return kept }
        let file = try await indexFile(id)
        await cache?.write(id, file, codec)
        return file
    }

    /// One index file.
    public func indexFile(_ id: BlobID) async throws -> IndexFile {
        try IndexFile.decode(await read(.index, id), object: "index/\(id)")
    }

    /// Where blobs are read from, by the present index.
    public func blobSource(cacheBytes: Int = 128 << 20) async throws -> PackReader {
        PackReader(index: try await loadIndex(), store: store, codec: codec, cacheBytes: cacheBytes)
    }

    /// Where blobs are read from, by an index at hand; the parameters are those of `PackReader`.
    public func blobSource(
        index: RepositoryIndex, cacheBytes: Int = 128 << 20, wholePackLimit: Int64 = 40 << 20,
        keeper: (any BlobKeeper)? = nil
    ) -> PackReader {
        PackReader(
            index: index, store: store, codec: codec, cacheBytes: cacheBytes,
            wholePackLimit: wholePackLimit, keeper: keeper)
    }

    /// The names of all files of a kind; files with other names are passed over, as by restic.
    public func ids(of kind: FileKind) async throws -> [BlobID] {
        try await storing("list \(kind.rawValue)/") {
            // An empty lock is what a crashed writer left; an empty file of another kind is damage.
            try await store.list(try kind.prefix())
                .filter { $0.bytes > 0 || kind != .locks }.compactMap(\.name.id)
        }
    }

    /// The JSON of a file; its bytes must have the SHA-256 that its name says, because the MAC does
    /// not bind a file to its name.
    @concurrent func read(_ kind: FileKind, _ id: BlobID) async throws -> [UInt8] {
        let name = try ObjectName.file(kind, id)
        let stored = try await reading(name) {
            try await store.get(name, limitBytes: UnpackedFile.limitBytes)
        }
        let found = try codec.id(of: stored)
        guard found == id else {
            throw RepositoryError.corrupt(name.text, "its content has SHA-256 \(found.hex)")
        }
        return try UnpackedFile.decode(stored, object: name.text, with: codec)
    }

    /// A file as it is stored, and what it is called.
    struct SealedFile: Sendable {
        let kind: FileKind
        let id: BlobID
        let bytes: [UInt8]
    }

    /// Seals a file; opens the sealed bytes again to see that they hold it.
    func seal(_ json: [UInt8], as kind: FileKind) throws -> SealedFile {
        let stored = try UnpackedFile.encode(json, with: codec)
        let object = "the file to be written to \(kind.rawValue)/"
        guard try UnpackedFile.decode(stored, object: object, with: codec) == json else {
            throw RepositoryError(
                code: .verificationFailed, message: "\(object) did not verify before it was stored")
        }
        return SealedFile(kind: kind, id: try codec.id(of: stored), bytes: stored)
    }

    /// Stores a file.
    func write(_ file: SealedFile) async throws {
        _ = try await storing("store a file in \(file.kind.rawValue)/") {
            try await store.put(
                .file(file.kind, file.id), .bytes(file.bytes, sha256: file.id.bytes))
        }
    }

    /// Seals and stores a file.
    @concurrent func write(_ kind: FileKind, _ json: [UInt8]) async throws -> BlobID {
        let file = try seal(json, as: kind)
        try await write(file)
        return file.id
    }

    func remove(_ kind: FileKind, _ id: BlobID) async throws {
        try await storing("remove \(kind.rawValue)/\(id)") {
            try await store.delete(.file(kind, id))
        }
    }
}
