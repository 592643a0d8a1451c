/// What a new object holds: its length is known before the first byte, its SHA-256 may be.
public struct ObjectBody: Sendable {
    /// Where the bytes come from.
    public enum Source: Sendable {
        /// Bytes in memory; can be sent again after a failure.
        case bytes([UInt8])
        /// Bytes in memory, in pieces that follow one another; can be sent again after a failure.
        case pieces([[UInt8]])
        /// A file, read from its beginning; can be sent again after a failure.
        case file(path: String)
        /// Chunks until nil; can be sent once only.
        case stream(next: @Sendable () async throws -> [UInt8]?)
    }

    /// Where the bytes come from.
    public let source: Source
    /// How many bytes there are; a source that gives more or fewer fails with code `digest`.
    public let bytes: Int64
    /// The SHA-256 that the bytes must have, 32 bytes; nil: not checked.
    public let sha256: [UInt8]?

    private init(source: Source, bytes: Int64, sha256: [UInt8]?) {
        self.source = source
        self.bytes = bytes
        self.sha256 = sha256
    }

    /// Bytes in memory.
    public static func bytes(_ bytes: [UInt8], sha256: [UInt8]? = nil) -> ObjectBody {
        ObjectBody(source: .bytes(bytes), bytes: Int64(bytes.count), sha256: sha256)
    }

    /// Bytes in memory, in pieces that follow one another: what is large need not be put together.
    public static func pieces(_ pieces: [[UInt8]], sha256: [UInt8]? = nil) -> ObjectBody {
        ObjectBody(
            source: .pieces(pieces), bytes: pieces.reduce(0) { $0 + Int64($1.count) },
            sha256: sha256)
    }

    /// The first `bytes` bytes of a file, which must be all of it.
    public static func file(
        path: String, bytes: Int64, sha256: [UInt8]? = nil
    ) -> ObjectBody {
        ObjectBody(source: .file(path: path), bytes: bytes, sha256: sha256)
    }

    /// Chunks that `next` gives until it answers nil; `bytes` in all.
    public static func stream(
        bytes: Int64, sha256: [UInt8]? = nil, next: @escaping @Sendable () async throws -> [UInt8]?
    ) -> ObjectBody {
        ObjectBody(source: .stream(next: next), bytes: bytes, sha256: sha256)
    }
}
