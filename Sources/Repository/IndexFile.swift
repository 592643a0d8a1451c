/// A file in `index/`: packs and what is in them (restic design, "Indexing").
public struct IndexFile: Sendable, Equatable {
    /// A file holds about so many blobs; all blobs of one pack are in one file.
    public static let blobsTarget = 50_000

    /// The packs.
    public let packs: [PackDescription]

    /// Describes packs; see `split` for many.
    public init(packs: [PackDescription]) {
        self.packs = packs
    }

    /// Index files for any number of packs: at most 50,000 blobs each, no pack split.
    public static func split(_ packs: [PackDescription]) -> [IndexFile] {
        var files: [IndexFile] = []
        var pending: [PackDescription] = []
        var blobs = 0
        for pack in packs {
            if !pending.isEmpty, blobs + pack.blobs.count > blobsTarget {
                files.append(IndexFile(packs: pending))
                pending = []
                blobs = 0
            }
            pending.append(pack)
            blobs += pack.blobs.count
        }
        if !pending.isEmpty { files.append(IndexFile(packs: pending)) }
        return files
    }

    /// The JSON.
    func encode() throws -> [UInt8] {
        try JSONFile.encode(
            Contents(
                packs: packs.map { pack in
                    Contents.Pack(
                        id: pack.id,
                        blobs: pack.blobs.map {
                            Contents.Blob(
                                id: $0.id, type: $0.kind.rawValue, offset: $0.offset,
                                length: $0.length, uncompressedLength: $0.uncompressedLength)
                        })
                }))
    }

    /// - Throws: `RepositoryError` with code `corrupt` naming `object`.
    static func decode(_ json: [UInt8], object: String) throws -> IndexFile {
        let contents = try JSONFile.decode(Contents.self, from: json, object: object)
        return IndexFile(
            packs: try (contents.packs ?? []).map { pack in
                let blobs = try (pack.blobs ?? []).map { try $0.checked(in: object) }
                    .sorted { $0.offset < $1.offset }
                return PackDescription(
                    id: pack.id, bytes: PackHeader.packBytes(of: blobs), blobs: blobs)
            })
    }

    private struct Contents: Codable {
        struct Blob: Codable {
            let id: BlobID
            let type: String
            let offset: UInt32
            let length: UInt32
            let uncompressedLength: UInt32?

            enum CodingKeys: String, CodingKey {
                case id, type, offset, length
                case uncompressedLength = "uncompressed_length"
            }

            func checked(in object: String) throws -> PackedBlob {
                guard let kind = BlobKind(rawValue: type) else {
                    throw RepositoryError.corrupt(object, "a blob of type \(type.prefix(20))")
                }
                guard length >= Sealer.overheadBytes, length <= UInt32.max - offset else {
                    throw RepositoryError.corrupt(object, "blob \(id) of \(length) bytes")
                }
                // Go omits the field when it is zero; a zero written out means the same.
                return PackedBlob(
                    id: id, kind: kind, offset: offset, length: length,
                    uncompressedLength: uncompressedLength == 0 ? nil : uncompressedLength)
            }
        }
        struct Pack: Codable {
            let id: BlobID
            let blobs: [Blob]?
        }
        let packs: [Pack]?
    }
}
