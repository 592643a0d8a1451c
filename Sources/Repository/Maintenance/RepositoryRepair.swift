import ObjectStore

/// Makes a damaged repository consistent again with what is still there.
///
/// In this order: `rebuildIndex`, so that the index names what is in the store; `salvage` of packs
/// in which a check found damage; `repairSnapshots`, for what is lost then. All work under restic's
/// exclusive lock, write before they remove, and may be cut short anywhere and repeated.
public struct RepositoryRepair: Sendable {
    let repository: OpenRepository
    private let hostname: String

    /// - Parameters:
    ///   - repository: the repository, into which no backup is in flight.
    ///   - hostname: what restic shows of the lock's holder; synthetic and nobody else's.
    public init(_ repository: OpenRepository, hostname: String = "berth-repair.invalid") {
        self.repository = repository
        self.hostname = hostname
    }

    /// What became of the index.
    public struct IndexReport: Sendable {
        /// Nothing yet.
        public init() {}

        /// Packs that no readable index file named, or not rightly.
        public internal(set) var recoveredPacks = 0
        /// Packs that the index named and that are not there.
        public internal(set) var missingPacks: [BlobID] = []
        /// Packs whose header cannot be read: what `salvage` has nothing to go by for.
        public internal(set) var unreadable: [RepositoryError] = []
        /// Index files that were replaced, damaged ones among them.
        public internal(set) var replacedFiles = 0
    }

    /// What became of damaged packs.
    public struct SalvageReport: Sendable {
        /// Blobs that were still good and were copied.
        public internal(set) var salvagedBlobs = 0
        /// Blobs that are lost, unless another pack has them.
        public internal(set) var lost: [PackedBlob] = []
        /// Packs that were deleted.
        public internal(set) var removedPacks = 0
    }

    /// Reads the headers of all packs that the index does not name rightly, and writes an index of
    /// what there is; damaged index files are removed.
    ///
    /// - Throws: `RepositoryError`: `locked`, `store`.
    @concurrent public func rebuildIndex() async throws -> IndexReport {
        try await exclusively {
            let (files, damaged) = try await readableIndexFiles()
            let present = try await repository.packsInStore()
            var report = IndexReport()
            let named = files.values.flatMap(\.packs)
            report.missingPacks = Set(named.map(\.id)).filter { present[$0] == nil }.sorted()
            let right = named.filter { present[$0.id] == $0.bytes }
            let known = Set(right.map(\.id))
            let unknown = present.keys.filter { !known.contains($0) }.sorted()
            var recovered: [PackDescription] = []
            let former = Dictionary(
                named.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
            let headers = try await concurrentMap(unknown, width: 8, header)
            for (id, result) in zip(unknown, headers) {
                switch result {
                case .success(let pack):
                    recovered.append(pack)
                    report.recoveredPacks += 1
                case .failure(let error):
                    report.unreadable.append(error)
                    // What is whole of a pack that was cut off is still found by what the index
                    // said of it; `salvage` saves that.
                    if let pack = former[id] { recovered.append(pack) }
                }
            }
            // Files that say nothing wrong stay as they are.
            let stale = files.filter { $0.value.packs.contains { present[$0.id] != $0.bytes } }
            let replaced = Array(stale.keys) + damaged
            report.replacedFiles = replaced.count
            let moved = stale.values.flatMap(\.packs).filter { present[$0.id] == $0.bytes }
            try await replace(replaced, by: moved + recovered)
            return report
        }
    }

    /// Copies the good blobs out of damaged packs, takes the packs out of the index, and deletes
    /// them.
    ///
    /// - Parameter packs: what a check of all packs has found damaged.
    /// - Throws: `RepositoryError`: `locked`, `store`, `corrupt` naming an index file.
    @concurrent public func salvage(_ packs: [BlobID]) async throws -> SalvageReport {
        try await exclusively {
            var report = SalvageReport()
            let writer = PackWriter(store: repository.store, codec: repository.codec)
            let files = try await repository.files(.index) { try await repository.indexFile($0) }
            let named = Dictionary(
                files.values.flatMap(\.packs).map { ($0.id, $0) },
                uniquingKeysWith: { first, _ in first })
            for id in packs {
                guard let pack = named[id] else { continue }
                let (good, lost) = try await repository.goodBlobs(of: pack)
                for blob in good { try await writer.add(blob) }
                report.salvagedBlobs += good.count
                report.lost += lost
            }
            let written = try await writer.finish()
            let gone = Set(packs)
            let stale = files.filter { $0.value.packs.contains { gone.contains($0.id) } }
            let staying = stale.values.flatMap(\.packs).filter { !gone.contains($0.id) }
            try await replace(Array(stale.keys), by: staying + written)
            for id in packs where named[id] != nil {
                try await storing("delete a damaged pack") {
                    try await repository.store.delete(.pack(id))
                }
                report.removedPacks += 1
            }
            return report
        }
    }

    /// Writes new index files before the old ones go.
    private func replace(_ files: [BlobID], by packs: [PackDescription]) async throws {
        var seen: Set<BlobID> = []
        let different = packs.filter { seen.insert($0.id).inserted }
        let written = Set(try await repository.writeIndex(different))
        for id in files where !written.contains(id) { try await repository.remove(.index, id) }
    }

    @Sendable private func header(
        of pack: BlobID
    ) async throws -> Result<PackDescription, RepositoryError> {
        do {
            return .success(try await repository.readHeader(of: pack))
        } catch let error as RepositoryError where error.code != .store {
            return .failure(error)
        }
    }

    private func readableIndexFiles() async throws -> ([BlobID: IndexFile], damaged: [BlobID]) {
        var files: [BlobID: IndexFile] = [:]
        var damaged: [BlobID] = []
        for id in try await repository.ids(of: .index) {
            do {
                files[id] = try await repository.indexFile(id)
            } catch let error as RepositoryError where error.code != .store {
                damaged.append(id)
            }
        }
        return (files, damaged)
    }

    func exclusively<Answer: Sendable>(
        _ body: @escaping @Sendable () async throws -> Answer
    ) async throws -> Answer {
        try await RepositoryLock.remove(heldBy: hostname, in: repository)
        return try await RepositoryLock.holding(
            in: repository,
            as: LockFile(
                time: .now(), exclusive: true, hostname: hostname, username: "berth", pid: 1),
            beside: [hostname], body)
    }
}

extension OpenRepository {
    /// The blobs of a damaged pack that still open and are what they should be, and the others.
    @concurrent fileprivate func goodBlobs(
        of pack: PackDescription
    ) async throws -> (good: [PreparedBlob], lost: [PackedBlob]) {
        let name = try ObjectName.pack(pack.id)
        let bytes: [UInt8]
        do {
            let size = try await reading(name) { try await store.size(of: name) }
            let count = min(size, pack.bytes)
            bytes = try await reading(name) {
                try await store.get(name, range: 0..<count, limitBytes: Int(count))
            }
        } catch let error as RepositoryError where error.code != .store {
            return ([], pack.blobs)
        }
        var (good, lost): ([PreparedBlob], [PackedBlob]) = ([], [])
        for blob in pack.blobs {
            let (start, end) = (Int(blob.offset), Int(blob.offset) + Int(blob.length))
            do {
                guard end <= bytes.count else {
                    throw RepositoryError.corrupt(name.text, "it ends at \(bytes.count)")
                }
                _ = try unsafe bytes.withUnsafeBytes { all in
                    try unsafe codec.decode(
                        UnsafeRawBufferPointer(rebasing: all[start..<end]), as: blob,
                        pack: name.text)
                }
                good.append(
                    PreparedBlob(
                        id: blob.id, kind: blob.kind, sealed: Array(bytes[start..<end]),
                        plaintextBytes: blob.plaintextBytes,
                        isCompressed: blob.uncompressedLength != nil))
            } catch is RepositoryError {
                lost.append(blob)
            }
        }
        return (good, lost)
    }
}
