import ObjectStore

/// Turns plaintexts into sealed blobs and back: SHA-256, zstd, sealing.
///
/// Usable from any thread, many at once; the contexts of all three are kept.
public final class BlobCodec: Sendable {
    /// The sealer of this repository's key.
    public let sealer: Sealer
    /// The compressor, also of the unpacked files.
    public let compression: Compression
    private let digests = InstancePool { ReusableDigest() }

    /// Makes a codec for one repository key.
    public init(key: RepositoryKey, level: Int = Compression.defaultLevel) {
        sealer = Sealer(key: key)
        compression = Compression(level: level)
    }

    /// The id of a blob: SHA-256 of its plaintext.
    public func id(of plaintext: [UInt8]) throws -> BlobID {
        try digests.with { $0.id(of: plaintext) }
    }

    /// SHA-256 of pieces that follow one another.
    public func id(of pieces: [[UInt8]]) throws -> BlobID {
        try digests.with { $0.id(of: pieces) }
    }

    /// Compresses and seals.
    ///
    /// - Throws: `RepositoryError`: `library`, or `limitExceeded` for a blob beyond 512 MiB.
    public func encode(_ plaintext: [UInt8], id: BlobID, kind: BlobKind) throws -> PreparedBlob {
        guard plaintext.count <= PackHeader.blobLimitBytes else {
            throw RepositoryError(
                code: .limitExceeded,
                message: "a blob of \(plaintext.count) bytes; at most "
                    + "\(PackHeader.blobLimitBytes) (a directory with too many entries?)")
        }
        let compressed = try compressed(plaintext, kind: kind)
        return PreparedBlob(
            id: id, kind: kind, sealed: try sealer.seal(compressed ?? plaintext),
            plaintextBytes: plaintext.count, isCompressed: compressed != nil)
    }

    /// The form in which a blob is sealed, or nil where that is the plaintext itself.
    ///
    /// Data that zstd does not shrink is stored as it is (type 0 of the format); trees are always
    /// compressed, because stock `prune` would repack them otherwise.
    ///
    /// - Throws: `RepositoryError` with code `library`.
    public func compressed(_ plaintext: [UInt8], kind: BlobKind) throws -> [UInt8]? {
        guard try kind == .tree || looksCompressible(plaintext) else { return nil }
        let compressed = try compression.compress(plaintext)
        return kind == .tree || compressed.count < plaintext.count ? compressed : nil
    }

    /// Whether a large blob is worth zstd's time: four samples of it, spread evenly, shrink by a
    /// thirty-second part at least.
    ///
    /// Small blobs always are. What is stored differs, the blob's id does not.
    private func looksCompressible(_ plaintext: [UInt8]) throws -> Bool {
        let (count, sampleBytes) = (plaintext.count, 16 << 10)
        guard count >= 512 << 10 else { return true }
        var samples: [UInt8] = []
        samples.reserveCapacity(4 * sampleBytes)
        for index in 0..<4 {
            let start = (count - sampleBytes) / 3 * index
            samples += plaintext[start..<start + sampleBytes]
        }
        return try compression.compress(samples).count < samples.count - samples.count / 32
    }

    /// Opens a sealed blob and checks its MAC, its length and its SHA-256.
    ///
    /// - Parameters:
    ///   - sealed: exactly its sealed bytes.
    ///   - blob: what it should be.
    ///   - pack: the pack it comes from, for the error.
    /// - Throws: `RepositoryError` with code `corrupt` naming the pack.
    public func decode(
        _ sealed: UnsafeRawBufferPointer, as blob: PackedBlob,
        pack: @autoclosure @escaping () -> String
    ) throws -> [UInt8] {
        let name = { "\(pack()), blob \(blob.id.hex)" }
        guard blob.plaintextBytes <= PackHeader.blobLimitBytes else {
            throw RepositoryError.corrupt(pack(), "blob \(blob.id) of \(blob.plaintextBytes) bytes")
        }
        var plaintext = try unsafe sealer.open(sealed, object: name())
        if blob.uncompressedLength != nil {
            plaintext = try compression.decompress(
                plaintext[...], limitBytes: blob.plaintextBytes, object: name())
        }
        guard plaintext.count == blob.plaintextBytes else {
            throw RepositoryError.corrupt(
                name(), "\(plaintext.count) bytes instead of \(blob.plaintextBytes)")
        }
        let id = try id(of: plaintext)
        guard id == blob.id else {
            throw RepositoryError.corrupt(name(), "its content has SHA-256 \(id.hex)")
        }
        return plaintext
    }
}

/// A SHA-256 context that is used again and again.
final class ReusableDigest: @unchecked Sendable {
    // Sendable because an `InstancePool` gives it to one caller at a time.
    private var digest = Digest()

    func id(of pieces: [[UInt8]]) -> BlobID {
        for piece in pieces { digest.update(piece) }
        return BlobID(sha256: digest.finish())
    }

    func id(of bytes: [UInt8]) -> BlobID {
        digest.update(bytes)
        return BlobID(sha256: digest.finish())
    }
}

extension BlobID {
    /// The id that a finished digest is.
    init(sha256 bytes: [UInt8]) {
        guard let id = BlobID(bytes: bytes) else {
            preconditionFailure("a SHA-256 has 32 bytes")
        }
        self = id
    }
}
