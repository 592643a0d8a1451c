/// The codec of the JSON files beside packs (index, snapshots, locks), format v2: sealed
/// `0x02 || zstd(JSON)`; raw JSON, which begins with `{` or `[`, is read too.
enum UnpackedFile {
    /// The longest of these files, and the longest JSON in one.
    static let limitBytes = 256 << 20

    private static let compressedMark: UInt8 = 2

    static func encode(_ json: [UInt8], with codec: BlobCodec) throws -> [UInt8] {
        try codec.sealer.seal([compressedMark] + codec.compression.compress(json))
    }

    /// - Throws: `RepositoryError` with code `corrupt` naming `object`.
    static func decode(_ stored: [UInt8], object: String, with codec: BlobCodec) throws -> [UInt8] {
        let plain = try codec.sealer.open(stored, object: object)
        switch plain.first {
        case compressedMark:
            return try codec.compression.decompress(
                plain[1...], limitBytes: limitBytes, object: object)
        case UInt8(ascii: "{"), UInt8(ascii: "["): return plain
        default: throw RepositoryError.corrupt(object, "it is neither JSON nor compressed JSON")
        }
    }
}
