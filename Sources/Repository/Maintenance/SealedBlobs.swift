import ObjectStore

extension OpenRepository {
    /// Some blobs of a pack as they are stored, each opened and verified, to be copied bit by bit.
    ///
    /// - Throws: `RepositoryError`: `missing` or `corrupt` naming the pack, `store`.
    @concurrent func sealedBlobs(
        _ blobs: [PackedBlob], of pack: PackDescription
    ) async throws -> [PreparedBlob] {
        let name = try ObjectName.pack(pack.id)
        let bytes = try await reading(name) {
            try await store.get(name, range: 0..<pack.bytes, limitBytes: Int(pack.bytes))
        }
        return try blobs.map { blob in
            let (start, end) = (Int(blob.offset), Int(blob.offset) + Int(blob.length))
            guard end <= bytes.count else {
                throw RepositoryError.corrupt(
                    name.text, "blob \(blob.id) ends at \(end), the pack at \(bytes.count)")
            }
            _ = try unsafe bytes.withUnsafeBytes { all in
                try unsafe codec.decode(
                    UnsafeRawBufferPointer(rebasing: all[start..<end]), as: blob, pack: name.text)
            }
            return PreparedBlob(
                id: blob.id, kind: blob.kind, sealed: Array(bytes[start..<end]),
                plaintextBytes: blob.plaintextBytes, isCompressed: blob.uncompressedLength != nil)
        }
    }
}
