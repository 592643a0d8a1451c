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

    /// The JSON, as restic writes it.
    func encode() -> [UInt8] {
        var json: [UInt8] = []
        json.reserveCapacity(64 + packs.reduce(0) { $0 + 128 + $1.blobs.count * 160 })
        GoJSON.append("{\"packs\":[", to: &json)
        for (index, pack) in packs.enumerated() {
            if index > 0 { json.append(UInt8(ascii: ",")) }
            GoJSON.append("{\"id\":", to: &json)
            GoJSON.append(pack.id, to: &json)
            GoJSON.append(",\"blobs\":[", to: &json)
            for index in pack.blobs.indices {
                if index > 0 { json.append(UInt8(ascii: ",")) }
                Self.append(pack.blobs[index], to: &json)
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
        var cursor = GoJSONCursor(json, source: object)
        var packs: [PackDescription] = []
        try cursor.object { (cursor, field) throws(RepositoryError) in
            guard field == "packs" else { return try cursor.skip() }
            try cursor.array { (cursor) throws(RepositoryError) in
                packs.append(try pack(&cursor))
            }
        }
        guard cursor.isAtEnd() else { throw cursor.failure("something after the index") }
        return IndexFile(packs: packs)
    }

    private static func pack(
        _ cursor: inout GoJSONCursor
    ) throws(RepositoryError) -> PackDescription {
        var id: BlobID?
        var blobs: [PackedBlob] = []
        try cursor.object { (cursor, field) throws(RepositoryError) in
            switch field {
            case "id": id = try cursor.identifier()
            case "blobs":
                try cursor.array { (cursor) throws(RepositoryError) in
                    blobs.append(try blob(&cursor))
                }
            default: try cursor.skip()
            }
        }
        guard let id else { throw cursor.failure("a pack without an id") }
        let isInOrder = blobs.indices.dropFirst().allSatisfy {
            blobs[$0 - 1].offset <= blobs[$0].offset
        }
        if !isInOrder { blobs.sort { $0.offset < $1.offset } }
        return PackDescription(id: id, bytes: PackHeader.packBytes(of: blobs), blobs: blobs)
    }

    private static let kinds = BlobKind.allCases.map { Array($0.rawValue.utf8) }

    private static func blob(
        _ cursor: inout GoJSONCursor
    ) throws(RepositoryError) -> PackedBlob {
        var id: BlobID?
        var kind: BlobKind?
        var (offset, length, uncompressedLength): (UInt32?, UInt32?, UInt32) = (nil, nil, 0)
        try cursor.object { (cursor, field) throws(RepositoryError) in
            switch field {
            case "id": id = try cursor.identifier()
            case "type":
                guard let position = try cursor.word(of: kinds) else {
                    throw cursor.failure("a blob of an unknown type")
                }
                kind = BlobKind.allCases[position]
            case "offset": offset = try cursor.number32()
            case "length": length = try cursor.number32()
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
        // Go omits the field when it is zero; a zero written out means the same.
        return PackedBlob(
            id: id, kind: kind, offset: offset, length: length,
            uncompressedLength: uncompressedLength == 0 ? nil : uncompressedLength)
    }
}
