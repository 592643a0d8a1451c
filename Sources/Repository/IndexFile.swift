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

    /// The JSON, in the order of restic's fields.
    func encode() -> [UInt8] {
        var json: [UInt8] = []
        json.reserveCapacity(64 + packs.reduce(0) { $0 + 128 + $1.blobs.count * 176 })
        GoJSON.append("{\"packs\":[", to: &json)
        for (position, pack) in packs.enumerated() {
            GoJSON.append(position > 0 ? ",{\"id\":" : "{\"id\":", to: &json)
            GoJSON.append(pack.id, to: &json)
            GoJSON.append(",\"blobs\":[", to: &json)
            for (position, blob) in pack.blobs.enumerated() {
                if position > 0 { json.append(UInt8(ascii: ",")) }
                Self.append(blob, to: &json)
            }
            GoJSON.append("]}", to: &json)
        }
        GoJSON.append("]}", to: &json)
        return json
    }

    private static func append(_ blob: PackedBlob, to json: inout [UInt8]) {
        GoJSON.append("{\"id\":", to: &json)
        GoJSON.append(blob.id, to: &json)
        switch blob.kind {
        case .data: GoJSON.append(",\"type\":\"data\",\"offset\":", to: &json)
        case .tree: GoJSON.append(",\"type\":\"tree\",\"offset\":", to: &json)
        }
        GoJSON.append(UInt64(blob.offset), to: &json)
        GoJSON.append(",\"length\":", to: &json)
        GoJSON.append(UInt64(blob.length), to: &json)
        if let length = blob.uncompressedLength {
            GoJSON.append(",\"uncompressed_length\":", to: &json)
            GoJSON.append(UInt64(length), to: &json)
        }
        json.append(UInt8(ascii: "}"))
    }

    /// - Throws: `RepositoryError` with code `corrupt` naming `object`.
    static func decode(_ json: [UInt8], object: String) throws(RepositoryError) -> IndexFile {
        var cursor = GoJSONCursor(json, of: object)
        var packs: [PackDescription] = []
        try cursor.object { (cursor, field) throws(RepositoryError) in
            guard field == "packs" else { return try cursor.skip() }
            try cursor.array { (cursor) throws(RepositoryError) in
                packs.append(try decodePack(&cursor))
            }
        }
        guard cursor.isAtEnd() else { throw cursor.failure("something after the index") }
        return IndexFile(packs: packs)
    }

    private static func decodePack(
        _ cursor: inout GoJSONCursor
    ) throws(RepositoryError) -> PackDescription {
        var id: BlobID?
        var blobs: [PackedBlob] = []
        try cursor.object { (cursor, field) throws(RepositoryError) in
            switch field {
            case "id": id = try cursor.blobID()
            case "blobs":
                try cursor.array { (cursor) throws(RepositoryError) in
                    blobs.append(try decodeBlob(&cursor))
                }
            default: try cursor.skip()
            }
        }
        guard let id else { throw cursor.failure("a pack without an id") }
        blobs.sort { $0.offset < $1.offset }
        return PackDescription(id: id, bytes: PackHeader.packBytes(of: blobs), blobs: blobs)
    }

    private static func decodeBlob(
        _ cursor: inout GoJSONCursor
    ) throws(RepositoryError) -> PackedBlob {
        var id: BlobID?
        var kind: BlobKind?
        var (offset, length): (UInt32?, UInt32?) = (nil, nil)
        var uncompressedLength: UInt32 = 0
        try cursor.object { (cursor, field) throws(RepositoryError) in
            switch field {
            case "id": id = try cursor.blobID()
            case "type":
                kind = BlobKind(rawValue: String(decoding: try cursor.string(), as: UTF8.self))
            case "offset": offset = try cursor.number32()
            case "length": length = try cursor.number32()
            // Go omits the field when it is zero; a zero written out means the same.
            case "uncompressed_length": uncompressedLength = try cursor.number32()
            default: try cursor.skip()
            }
        }
        guard let id, let kind, let offset, let length else {
            throw cursor.failure("a blob without id, type, offset or length")
        }
        guard length >= Sealer.overheadBytes, length <= UInt32.max - offset else {
            throw cursor.failure("blob \(id) of \(length) bytes")
        }
        return PackedBlob(
            id: id, kind: kind, offset: offset, length: length,
            uncompressedLength: uncompressedLength == 0 ? nil : uncompressedLength)
    }
}
