import ObjectStore

/// Is told of blobs as they are read, from any thread.
public protocol BlobKeeper: Sendable {
    /// A tree, as it is sealed; perhaps one that it was told of before.
    func note(_ tree: SealedTree)

    /// How long a data blob's plaintext is.
    func note(lengthBytes: Int, of chunk: BlobID)
}

/// Opens blobs that lie in bytes of a pack, and verifies them.
struct PackOpener: Sendable {
    let codec: BlobCodec
    let keeper: (any BlobKeeper)?

    /// Opens several, one after another on one thread.
    ///
    /// - Parameters:
    ///   - bytes: of the pack, from `start`.
    /// - Throws: `RepositoryError` `corrupt` naming the pack.
    @concurrent
    func open(
        _ blobs: [PackedBlob], of pack: BlobID, in bytes: [UInt8], from start: Int64
    ) async throws -> [[UInt8]] {
        let name = try ObjectName.pack(pack).text
        return try blobs.map { try open($0, in: bytes, from: start, pack: name) }
    }

    /// Opens one.
    @concurrent
    func open(
        _ blob: PackedBlob, of pack: BlobID, in bytes: [UInt8], from start: Int64
    ) async throws -> [UInt8] {
        try open(blob, in: bytes, from: start, pack: try ObjectName.pack(pack).text)
    }

    private func open(
        _ blob: PackedBlob, in bytes: [UInt8], from start: Int64, pack: String
    ) throws -> [UInt8] {
        let offset = Int(Int64(blob.offset) - start)
        let end = offset + Int(blob.length)
        guard offset >= 0, end <= bytes.count else {
            throw RepositoryError.corrupt(
                pack,
                "blob \(blob.id) ends at \(start + Int64(end)), the pack at "
                    + "\(start + Int64(bytes.count))")
        }
        let plaintext = try unsafe bytes.withUnsafeBytes { all in
            try unsafe codec.decode(
                UnsafeRawBufferPointer(rebasing: all[offset..<end]), as: blob, pack: pack)
        }
        switch (keeper, blob.kind) {
        case (nil, _): break
        case (let keeper?, .data): keeper.note(lengthBytes: plaintext.count, of: blob.id)
        case (let keeper?, .tree):
            keeper.note(
                try SealedTree(plaintext, sealed: bytes[offset..<end], of: blob, codec: codec))
        }
        return plaintext
    }
}
