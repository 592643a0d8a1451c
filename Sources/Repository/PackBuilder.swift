import ObjectStore

/// One pack in the making: sealed blobs one after another, all of one kind.
struct PackBuilder: Sendable {
    let kind: BlobKind
    private(set) var bytes: [UInt8] = []
    /// How many bytes the pack may come to hold; room for them is made at once, so that a growing
    /// pack is not copied again and again.
    private let capacityBytes: Int
    private(set) var blobs: [PackedBlob] = []

    /// A pack never holds more blobs than its header may describe.
    static let blobsLimit = PackHeader.limitBytes / (2 * PackHeader.compressedEntryBytes)

    init(kind: BlobKind, capacityBytes: Int = 0) {
        self.kind = kind
        self.capacityBytes = capacityBytes
    }

    /// Takes a blob that is not in this pack yet.
    mutating func append(_ blob: PreparedBlob, sealed: [UInt8]) {
        precondition(blob.kind == kind, "a pack holds blobs of one kind")
        if bytes.isEmpty { bytes.reserveCapacity(capacityBytes) }
        blobs.append(
            PackedBlob(
                id: blob.id, kind: kind, offset: UInt32(bytes.count), length: UInt32(sealed.count),
                uncompressedLength: blob.isCompressed ? UInt32(blob.plaintextBytes) : nil))
        bytes += sealed
    }

    /// Takes all blobs of another pack of the same kind.
    mutating func append(_ other: PackBuilder) {
        precondition(other.kind == kind, "a pack holds blobs of one kind")
        let base = UInt32(bytes.count)
        blobs += other.blobs.map {
            PackedBlob(
                id: $0.id, kind: $0.kind, offset: base + $0.offset, length: $0.length,
                uncompressedLength: $0.uncompressedLength)
        }
        bytes += other.bytes
    }

    /// Ends the pack: behind the blobs come the sealed header and its length, so that `bytes` is
    /// the whole file.
    ///
    /// In place: a pack is too large to be copied for that.
    mutating func seal(with sealer: Sealer) throws {
        let header = try sealer.seal(PackHeader.encode(blobs))
        bytes += header
        bytes.append(littleEndian: UInt32(header.count))
    }

    /// Opens every blob of a finished file again and parses its header anew: what is about to be
    /// published is what was meant, whatever a compressor or the memory did (restic does so since
    /// 0.16.4, after two corruptions by zstd).
    ///
    /// - Throws: `RepositoryError` with code `verificationFailed`.
    func verify(with codec: BlobCodec) throws -> PackDescription {
        let file = bytes
        let object = "the pack to be written"
        do {
            let size = Int64(file.count)
            let range = try PackHeader.range(packBytes: size, last: file, object: object)
            let plain = try codec.sealer.open(
                file[Int(range.lowerBound)..<Int(range.upperBound)], object: object)
            let read = try PackHeader.decode(plain, object: object)
            try PackHeader.check(read, header: range, object: object)
            guard read == blobs else {
                throw RepositoryError.corrupt(object, "its header does not list its blobs")
            }
            try unsafe file.withUnsafeBytes { all in
                for blob in read {
                    let start = Int(blob.offset)
                    let sealed = unsafe UnsafeRawBufferPointer(
                        rebasing: all[start..<start + Int(blob.length)])
                    _ = try unsafe codec.decode(sealed, as: blob, pack: object)
                }
            }
            return PackDescription(id: try codec.id(of: file), bytes: size, blobs: blobs)
        } catch let error as RepositoryError {
            throw RepositoryError(
                code: .verificationFailed,
                message: "a pack did not verify before it was stored; nothing was published. "
                    + "The machine's memory or processor may be faulty",
                cause: error)
        }
    }
}
