public import ObjectStore

/// Reads blobs out of packs, and verifies every one.
///
/// Files come in ranges that are fetched once, as scheduled; trees in whole packs, kept while they are
/// used, since those of neighbouring directories lie together.
public actor PackReader: BlobSource {
    private let index: RepositoryIndex
    private let store: any ObjectStorage
    private let opener: PackOpener
    private let cacheBytes: Int
    /// Packs of trees beyond this are read blob by blob.
    private let wholePackLimit: Int64

    private var ranges = PackRanges()
    private var cached: [BlobID: CachedPack] = [:]
    private var useCount = 0
    private var loading: [BlobID: [CheckedContinuation<Void, Never>]] = [:]
    /// The bytes of the packs that are being fetched.
    private var loadingBytes = 0
    private var waitingForRoom: [CheckedContinuation<Void, Never>] = []

    private struct CachedPack {
        let bytes: [UInt8]
        var lastUse: Int
    }

    private static let piecesAtOnce = 8

    /// - Parameters:
    ///   - index: where the blobs are.
    ///   - store: the repository's store.
    ///   - codec: the repository's codec.
    ///   - cacheBytes: how many bytes of packs of trees are kept; default 128 MiB, at least one pack
    ///     is.
    ///   - wholePackLimit: packs of trees beyond so many bytes are not fetched as a whole, but only
    ///     what is asked for; default 40 MiB, for a reader that needs most of every pack.
    ///   - keeper: told of each blob that is loaded.
    public init(
        index: RepositoryIndex, store: any ObjectStorage, codec: BlobCodec,
        cacheBytes: Int = 128 << 20, wholePackLimit: Int64 = 40 << 20,
        keeper: (any BlobKeeper)? = nil
    ) {
        self.wholePackLimit = wholePackLimit
        self.index = index
        self.store = store
        opener = PackOpener(codec: codec, keeper: keeper)
        self.cacheBytes = cacheBytes
    }

    /// How long the plaintext of a blob is; nil where the index does not have it.
    public nonisolated func length(of id: BlobID, kind: BlobKind) -> Int? {
        index.location(of: id, kind: kind)?.blob.plaintextBytes
    }

    /// The verified plaintext of a blob; one that is damaged in one pack is read from another that
    /// has it.
    ///
    /// - Throws: `RepositoryError`: `missing` (the blob in the index, or its pack in the store),
    ///   `corrupt` naming the pack, `store`.
    public func load(_ id: BlobID, kind: BlobKind) async throws -> [UInt8] {
        guard let location = index.location(of: id, kind: kind) else {
            throw RepositoryError(
                code: .missing(object: "blob \(id)"),
                message: "\(kind.rawValue) blob \(id) is in no pack of the index")
        }
        do {
            return try await load(at: location)
        } catch let error as RepositoryError where error.isDamage {
            for other in index.furtherLocations(of: id, kind: kind) {
                do {
                    return try await load(at: other)
                } catch let further as RepositoryError where further.isDamage {
                    // The first is told if all are damaged.
                }
            }
            throw error
        }
    }

    private func load(at location: RepositoryIndex.Location) async throws -> [UInt8] {
        let blob = location.blob
        let (bytes, start) = try await surroundings(of: location)
        return try await opener.open(blob, of: location.pack.id, in: bytes, from: start)
    }

    /// Bytes in which a blob lies, and where in its pack they begin.
    private func surroundings(
        of location: RepositoryIndex.Location
    ) async throws -> (bytes: [UInt8], start: Int64) {
        let blob = location.blob
        if isFetchedWhole(location) {
            return (try await pack(location.pack), 0)
        }
        if let number = ranges.range(of: blob.id), let held = await range(number),
            held.pack == location.pack.id, Int64(blob.offset) >= held.start,
            Int64(blob.offset) + Int64(blob.length) <= held.start + Int64(held.bytes.count)
        {
            ranges.use([blob.id])
            return (held.bytes, held.start)
        }
        let start = Int64(blob.offset)
        return (
            try await Self.fetch(
                location.pack.id, range: start..<start + Int64(blob.length), from: store), start
        )
    }

    /// Several blobs: those of one pack are opened together, on one thread, instead of a change of
    /// threads for each.
    ///
    /// - Throws: as for one.
    public func load(_ ids: [BlobID], kind: BlobKind) async throws -> [[UInt8]] {
        do {
            return try await loadTogether(ids, kind: kind)
        } catch let error as RepositoryError where error.isDamage && ids.count > 1 {
            // There may be others of those that are damaged.
            var blobs: [[UInt8]] = []
            for id in ids { blobs.append(try await load(id, kind: kind)) }
            return blobs
        }
    }

    private func loadTogether(_ ids: [BlobID], kind: BlobKind) async throws -> [[UInt8]] {
        if kind == .data, ids.contains(where: { ranges.range(of: $0) != nil }) {
            return try await loadScheduled(ids)
        }
        if ids.count > 1, let pieces = pieces(of: ids, kind: kind) {
            return try await load(ids, in: pieces)
        }
        var blobs: [[UInt8]] = []
        blobs.reserveCapacity(ids.count)
        var next = 0
        while next < ids.count {
            guard let first = index.location(of: ids[next], kind: kind), isFetchedWhole(first)
            else {
                blobs.append(try await load(ids[next], kind: kind))
                next += 1
                continue
            }
            var together: [PackedBlob] = []
            while next < ids.count, let location = index.location(of: ids[next], kind: kind),
                location.pack.id == first.pack.id
            {
                together.append(location.blob)
                next += 1
            }
            blobs += try await opener.open(
                together, of: first.pack.id, in: try await pack(first.pack), from: 0)
        }
        return blobs
    }

    /// Trees that are needed lie together.
    private func isFetchedWhole(_ location: RepositoryIndex.Location) -> Bool {
        location.blob.kind == .tree && location.pack.bytes <= wholePackLimit
    }

    /// In the order of packs, with ranges of at most 4 MiB.
    public func schedule(_ groups: [[BlobID]]) async -> BlobSchedule {
        ranges.schedule(groups) { [index] in
            index.location(of: $0, kind: .data)
        }
    }

    /// A range is fetched once; others wait for whoever fetches it.
    public func fetch(_ fetch: BlobSchedule.Fetch) async {
        guard ranges.isPlanned(fetch.piece) else { return }
        _ = await range(fetch.piece)
    }

    /// Those that lie in one range are opened together.
    private func loadScheduled(_ ids: [BlobID]) async throws -> [[UInt8]] {
        var blobs: [[UInt8]] = []
        blobs.reserveCapacity(ids.count)
        var rest = ids[...]
        while let first = rest.first {
            guard let number = ranges.range(of: first), let held = await range(number)
            else {
                blobs.append(try await load(first, kind: .data))
                rest = rest.dropFirst()
                continue
            }
            let together = rest.prefix { ranges.range(of: $0) == number }
            let located = together.compactMap { index.location(of: $0, kind: .data) }
            guard !located.isEmpty, located.count == together.count else {
                // Taken by somebody else meanwhile.
                blobs.append(try await load(first, kind: .data))
                rest = rest.dropFirst()
                continue
            }
            ranges.use(together)
            rest = rest.dropFirst(together.count)
            blobs += try await opener.open(
                located.map(\.blob), of: held.pack, in: held.bytes, from: held.start)
        }
        return blobs
    }

    /// What a range holds, of which pack, and where it begins; nil where it could not be fetched.
    private func range(_ number: Int) async -> (pack: BlobID, bytes: [UInt8], start: Int64)? {
        while true {
            switch ranges.turn(number) {
            case .take(let range, let bytes): return (range.pack, bytes, range.bytes.lowerBound)
            case .none: return nil
            case .wait: await withCheckedContinuation { ranges.wait(number, $0) }
            case .fetch(let range):
                // What fails here fails again for whoever loads a blob of it, with its name.
                let bytes = try? await Self.fetch(range.pack, range: range.bytes, from: store)
                ranges.settle(number, bytes)
            }
        }
    }

    /// A range of a pack, and which of the wanted blobs lie in it.
    private struct Piece: Sendable {
        let pack: BlobID
        var range: Range<Int64>
        var blobs: [(position: Int, blob: PackedBlob)]
    }

    /// What is to be fetched of packs that are not fetched as a whole, blobs close to each other
    /// together; nil where a pack is fetched as a whole or a blob is not known.
    private func pieces(of ids: [BlobID], kind: BlobKind) -> [Piece]? {
        var wanted: [(position: Int, location: RepositoryIndex.Location)] = []
        for (position, id) in ids.enumerated() {
            guard let location = index.location(of: id, kind: kind),
                !isFetchedWhole(location)
            else { return nil }
            wanted.append((position, location))
        }
        wanted.sort {
            ($0.location.pack.id, $0.location.blob.offset)
                < ($1.location.pack.id, $1.location.blob.offset)
        }
        var pieces: [Piece] = []
        for (position, location) in wanted {
            let start = Int64(location.blob.offset)
            let end = start + Int64(location.blob.length)
            if let last = pieces.last, last.pack == location.pack.id,
                start <= last.range.upperBound + PackRanges.gapBytes,
                end - last.range.lowerBound <= PackRanges.pieceBytes
            {
                pieces[pieces.count - 1].range =
                    last.range.lowerBound..<max(last.range.upperBound, end)
                pieces[pieces.count - 1].blobs.append((position, location.blob))
            } else {
                pieces.append(
                    Piece(
                        pack: location.pack.id, range: start..<end,
                        blobs: [(position, location.blob)]))
            }
        }
        return pieces
    }

    private func load(_ ids: [BlobID], in pieces: [Piece]) async throws -> [[UInt8]] {
        let opened = try await concurrentMap(pieces, width: Self.piecesAtOnce) {
            [store, opener] piece in
            let bytes = try await Self.fetch(piece.pack, range: piece.range, from: store)
            return try await opener.open(
                piece.blobs.map(\.blob), of: piece.pack, in: bytes, from: piece.range.lowerBound)
        }
        var blobs = [[UInt8]](repeating: [], count: ids.count)
        for (piece, found) in zip(pieces, opened) {
            for (wanted, blob) in zip(piece.blobs, found) { blobs[wanted.position] = blob }
        }
        return blobs
    }

    /// A whole pack; a pack that another task is fetching is waited for, and for room too: packs
    /// that are being fetched count like those that are kept.
    private func pack(_ pack: RepositoryIndex.Pack) async throws -> [UInt8] {
        while true {
            useCount += 1
            if let found = cached[pack.id] {
                cached[pack.id]?.lastUse = useCount
                return found.bytes
            }
            if loading[pack.id] != nil {
                await withCheckedContinuation { loading[pack.id, default: []].append($0) }
            } else if loadingBytes > 0, loadingBytes + Int(pack.bytes) > cacheBytes {
                await withCheckedContinuation { waitingForRoom.append($0) }
            } else {
                break
            }
        }
        loading[pack.id] = []
        loadingBytes += Int(pack.bytes)
        defer {
            loadingBytes -= Int(pack.bytes)
            loading.removeValue(forKey: pack.id)?.forEach { $0.resume() }
            let awakened = waitingForRoom
            waitingForRoom = []
            awakened.forEach { $0.resume() }
        }
        makeRoom()
        let bytes = try await Self.fetch(pack.id, range: 0..<pack.bytes, from: store)
        cached[pack.id] = CachedPack(bytes: bytes, lastUse: useCount)
        return bytes
    }

    private func makeRoom() {
        var held = cached.values.reduce(loadingBytes) { $0 + $1.bytes.count }
        while held > cacheBytes,
            let oldest = cached.min(by: { $0.value.lastUse < $1.value.lastUse })
        {
            held -= oldest.value.bytes.count
            cached[oldest.key] = nil
        }
    }

    private static func fetch(
        _ pack: BlobID, range: Range<Int64>, from store: any ObjectStorage
    ) async throws -> [UInt8] {
        let name = try ObjectName.pack(pack)
        return try await reading(name) {
            try await store.get(name, range: range, limitBytes: range.count)
        }
    }
}
