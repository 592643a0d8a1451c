import ObjectStore

/// One pack in the making: sealed blobs one after another, all of one kind.
///
/// The file is kept in pieces: a large blob is one of them as it is, without a copy; small ones are
/// put together.
struct PackBuilder: Sendable {
    let kind: BlobKind
    /// The file so far, in order.
    private(set) var pieces: [[UInt8]] = []
    /// How many bytes the pieces hold.
    private(set) var byteCount = 0
    private(set) var blobs: [PackedBlob] = []
    /// Whether the last piece takes more.
    private var isLastOpen = false

    /// A pack never holds more blobs than its header may describe.
    static let blobsLimit = PackHeader.limitBytes / (2 * PackHeader.compressedEntryBytes)
    /// From this size on a blob is a piece of its own.
    private static let ownPieceBytes = 128 << 10
    /// Room for small blobs is made in steps.
    private static let pieceBytes = 512 << 10

    init(kind: BlobKind) {
        self.kind = kind
    }

    /// Takes a blob that is not in this pack yet.
    mutating func append(_ blob: PreparedBlob, sealed: [UInt8]) {
        precondition(blob.kind == kind, "a pack holds blobs of one kind")
        blobs.append(
            PackedBlob(
                id: blob.id, kind: kind, offset: UInt32(byteCount), length: UInt32(sealed.count),
                uncompressedLength: blob.isCompressed ? UInt32(blob.plaintextBytes) : nil))
        append(sealed)
    }

    /// Takes all blobs of another pack of the same kind.
    mutating func append(_ other: PackBuilder) {
        precondition(other.kind == kind, "a pack holds blobs of one kind")
        let base = UInt32(byteCount)
        blobs += other.blobs.map {
            PackedBlob(
                id: $0.id, kind: $0.kind, offset: base + $0.offset, length: $0.length,
                uncompressedLength: $0.uncompressedLength)
        }
        pieces += other.pieces
        byteCount += other.byteCount
        isLastOpen = false
    }

    /// Ends the pack: behind the blobs come the sealed header and its length, so that the pieces
    /// are the whole file.
    mutating func seal(with sealer: Sealer) throws {
        var end = try sealer.seal(PackHeader.encode(blobs))
        end.append(littleEndian: UInt32(end.count))
        isLastOpen = false
        append(end)
    }

    /// Opens every blob of a finished file again and parses its header anew: what is about to be
    /// published is what was meant, whatever a compressor or the memory did (restic does so since
    /// 0.16.4, after two corruptions by zstd).
    ///
    /// - Throws: `RepositoryError` with code `verificationFailed`.
    func verify(with codec: BlobCodec) throws -> PackDescription {
        let object = "the pack to be written"
        do {
            guard let end = pieces.last, pieces.reduce(0, { $0 + $1.count }) == byteCount else {
                throw RepositoryError.corrupt(object, "it has no end")
            }
            let range = try PackHeader.range(
                packBytes: Int64(byteCount), last: end, object: object)
            guard end.count == range.count + PackHeader.lengthBytes else {
                throw RepositoryError.corrupt(object, "its header is not at its end")
            }
            let plain = try codec.sealer.open(end[..<range.count], object: object)
            let read = try PackHeader.decode(plain, object: object)
            try PackHeader.check(read, header: range, object: object)
            guard read == blobs else {
                throw RepositoryError.corrupt(object, "its header does not list its blobs")
            }
            try verifyBlobs(codec, object: object)
            return PackDescription(
                id: try codec.id(of: pieces), bytes: Int64(byteCount), blobs: blobs)
        } catch let error as RepositoryError {
            throw RepositoryError(
                code: .verificationFailed,
                message: "a pack did not verify before it was stored; nothing was published. "
                    + "The machine's memory or processor may be faulty",
                cause: error)
        }
    }

    /// Opens every blob where it lies in its piece.
    private func verifyBlobs(_ codec: BlobCodec, object: String) throws {
        var next = 0
        var pieceStart = 0
        for piece in pieces.dropLast() {
            try unsafe piece.withUnsafeBytes { bytes in
                while next < blobs.count {
                    let start = Int(blobs[next].offset) - pieceStart
                    let end = start + Int(blobs[next].length)
                    guard start < bytes.count else { break }
                    guard start >= 0, end <= bytes.count else {
                        throw RepositoryError.corrupt(object, "a blob lies across two pieces")
                    }
                    _ = try unsafe codec.decode(
                        UnsafeRawBufferPointer(rebasing: bytes[start..<end]), as: blobs[next],
                        pack: object)
                    next += 1
                }
            }
            pieceStart += piece.count
        }
        guard next == blobs.count else {
            throw RepositoryError.corrupt(object, "it holds \(next) of \(blobs.count) blobs")
        }
    }

    private mutating func append(_ bytes: [UInt8]) {
        byteCount += bytes.count
        if bytes.count >= Self.ownPieceBytes {
            pieces.append(bytes)
            isLastOpen = false
        } else if isLastOpen, let last = pieces.indices.last,
            pieces[last].count + bytes.count <= Self.pieceBytes
        {
            pieces[last] += bytes
        } else {
            var piece: [UInt8] = []
            piece.reserveCapacity(Self.pieceBytes)
            piece += bytes
            pieces.append(piece)
            isLastOpen = true
        }
    }
}
