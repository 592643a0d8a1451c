/// A directory's tree as it is kept beside a base: compressed and sealed under the repository's key,
/// so that what a host keeps between backups tells nothing without a grant.
public struct SealedTree: Sendable, Hashable {
    /// The tree's blob.
    public let id: BlobID
    /// Four bytes, the length of the plaintext, and the sealed bytes.
    public let stored: [UInt8]

    /// - Parameters:
    ///   - id: the tree's blob.
    ///   - stored: as another `SealedTree` gave them.
    public init(id: BlobID, stored: [UInt8]) {
        self.id = id
        self.stored = stored
    }

    /// A tree of a pack, without work where it lies there compressed.
    ///
    /// - Parameters:
    ///   - plaintext: the tree's JSON.
    ///   - sealed: its bytes in the pack.
    /// - Throws: `RepositoryError`.
    init(
        _ plaintext: [UInt8], sealed: ArraySlice<UInt8>, of blob: PackedBlob, codec: BlobCodec
    ) throws {
        try self.init(
            plaintext,
            prepared: PreparedBlob(
                id: blob.id, kind: .tree, sealed: Array(sealed), plaintextBytes: plaintext.count,
                isCompressed: blob.uncompressedLength != nil), codec: codec)
    }

    /// Seals a tree, without work where a sink has just done so.
    ///
    /// - Parameters:
    ///   - plaintext: the tree's JSON.
    ///   - prepared: what a sink made of it under the same key.
    /// - Throws: `RepositoryError`.
    public init(_ plaintext: [UInt8], prepared: PreparedBlob, codec: BlobCodec) throws {
        id = prepared.id
        var sealed = prepared.isCompressed ? prepared.sealed : nil
        if sealed == nil {
            sealed = try codec.encode(plaintext, id: prepared.id, kind: .tree).sealed
        }
        var stored: [UInt8] = []
        stored.append(littleEndian: UInt32(plaintext.count))
        self.stored = stored + (sealed ?? [])
    }

    /// Seals a tree.
    ///
    /// - Parameters:
    ///   - plaintext: the tree's JSON.
    ///   - id: its blob.
    /// - Throws: `RepositoryError`.
    public init(_ plaintext: [UInt8], id: BlobID, codec: BlobCodec) throws {
        try self.init(
            plaintext,
            prepared: PreparedBlob(
                id: id, kind: .tree, sealed: nil, plaintextBytes: plaintext.count,
                isCompressed: false), codec: codec)
    }

    /// The tree's entries; everything is verified down to the blob's id.
    ///
    /// - Throws: `RepositoryError` `corrupt`.
    public func nodes(_ codec: BlobCodec) throws -> [Node] {
        var rest = stored[...]
        guard rest.count > 4 else { throw RepositoryError.corrupt("a kept tree", "cut short") }
        let length = rest.takeLittleEndian()
        let blob = PackedBlob(
            id: id, kind: .tree, offset: 0, length: UInt32(rest.count), uncompressedLength: length)
        return try TreeDecoder.decode(
            unsafe rest.withUnsafeBytes { bytes in
                try unsafe codec.decode(bytes, as: blob, pack: "a kept tree")
            })
    }
}
