public import ObjectStore

/// Reads blobs out of packs: whole packs, kept while they are used, since the blobs of a directory
/// or a file lie together; every blob is verified.
public actor PackReader: BlobSource {
    private let index: RepositoryIndex
    private let store: any ObjectStorage
    private let codec: BlobCodec
    private let cacheBytes: Int
    /// Packs beyond this are read blob by blob.
    private let wholePackLimit: Int64

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

    /// What lies so close together is fetched in one piece.
    private static let gapBytes: Int64 = 64 << 10
    private static let pieceBytes: Int64 = 4 << 20
    private static let piecesAtOnce = 8

    /// - Parameters:
    ///   - index: where the blobs are.
    ///   - store: the repository's store.
    ///   - codec: the repository's codec.
    ///   - cacheBytes: how many bytes of packs are kept; default 128 MiB, at least one pack is.
    ///   - wholePackLimit: packs beyond so many bytes are not fetched as a whole, but only what is
    ///     asked for; default 40 MiB, for a reader that needs most of every pack.
    public init(
        index: RepositoryIndex, store: any ObjectStorage, codec: BlobCodec,
        cacheBytes: Int = 128 << 20, wholePackLimit: Int64 = 40 << 20
    ) {
        self.wholePackLimit = wholePackLimit
        self.index = index
        self.store = store
        self.codec = codec
        self.cacheBytes = cacheBytes
    }

    /// How long the plaintext of a blob is; nil where the index does not have it.
    public nonisolated func length(of id: BlobID, kind: BlobKind) -> Int? {
        index.location(of: id, kind: kind)?.blob.plaintextBytes
    }

    /// The verified plaintext of a blob.
    ///
    /// - Throws: `RepositoryError`: `missing` (the blob in the index, or its pack in the store),
    ///   `corrupt` naming the pack, `store`.
    public func load(_ id: BlobID, kind: BlobKind) async throws -> [UInt8] {
        guard let location = index.location(of: id, kind: kind) else {
            throw RepositoryError(
                code: .missing(object: "blob \(id)"),
                message: "\(kind.rawValue) blob \(id) is in no pack of the index")
        }
        let blob = location.blob
        let end = Int64(blob.offset) + Int64(blob.length)
        if location.pack.bytes > wholePackLimit {
            let sealed = try await Self.fetch(
                location.pack.id, range: Int64(blob.offset)..<end, from: store)
            return try await Self.openOne(
                sealed, at: 0, blob: blob, pack: location.pack.id, codec: codec)
        }
        let bytes = try await pack(location.pack)
        return try await Self.openOne(
            bytes, at: Int(blob.offset), blob: blob, pack: location.pack.id, codec: codec)
    }

    /// Several blobs: those of one pack are opened together, on one thread, instead of a change of
    /// threads for each.
    ///
    /// - Throws: as for one.
    public func load(_ ids: [BlobID], kind: BlobKind) async throws -> [[UInt8]] {
        if ids.count > 1, let pieces = pieces(of: ids, kind: kind) {
            return try await load(ids, in: pieces)
        }
        var blobs: [[UInt8]] = []
        blobs.reserveCapacity(ids.count)
        var next = 0
        while next < ids.count {
            guard let first = index.location(of: ids[next], kind: kind),
                first.pack.bytes <= wholePackLimit
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
            blobs += try await Self.open(
                together, of: first.pack.id, in: try await pack(first.pack), codec: codec)
        }
        return blobs
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
                location.pack.bytes > wholePackLimit
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
                start <= last.range.upperBound + Self.gapBytes,
                end - last.range.lowerBound <= Self.pieceBytes
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
            [store, codec] piece in
            let bytes = try await Self.fetch(piece.pack, range: piece.range, from: store)
            return try await Self.open(piece, in: bytes, codec: codec)
        }
        var blobs = [[UInt8]](repeating: [], count: ids.count)
        for (position, blob) in opened.joined() { blobs[position] = blob }
        return blobs
    }

    @concurrent private static func open(
        _ piece: Piece, in bytes: [UInt8], codec: BlobCodec
    ) async throws -> [(position: Int, blob: [UInt8])] {
        try piece.blobs.map { position, blob in
            let offset = Int(Int64(blob.offset) - piece.range.lowerBound)
            return (
                position,
                try open(bytes, at: offset, blob: blob, pack: piece.pack, codec: codec)
            )
        }
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

    @concurrent private static func open(
        _ blobs: [PackedBlob], of pack: BlobID, in bytes: [UInt8], codec: BlobCodec
    ) async throws -> [[UInt8]] {
        try blobs.map { blob in
            try open(bytes, at: Int(blob.offset), blob: blob, pack: pack, codec: codec)
        }
    }

    @concurrent private static func openOne(
        _ bytes: [UInt8], at offset: Int, blob: PackedBlob, pack: BlobID, codec: BlobCodec
    ) async throws -> [UInt8] {
        try open(bytes, at: offset, blob: blob, pack: pack, codec: codec)
    }

    private static func open(
        _ bytes: [UInt8], at offset: Int, blob: PackedBlob, pack: BlobID, codec: BlobCodec
    ) throws -> [UInt8] {
        let name = try ObjectName.pack(pack).text
        let end = offset + Int(blob.length)
        guard end <= bytes.count else {
            throw RepositoryError.corrupt(
                name, "blob \(blob.id) ends at \(end), the pack at \(bytes.count)")
        }
        return try unsafe bytes.withUnsafeBytes { all in
            try unsafe codec.decode(
                UnsafeRawBufferPointer(rebasing: all[offset..<end]), as: blob, pack: name)
        }
    }
}
