/// The two kinds of blobs; packs hold blobs of one kind only (format v2).
public enum BlobKind: String, Sendable, Hashable, CaseIterable {
    /// A chunk of a file.
    case data
    /// A directory, as JSON.
    case tree
}

/// A blob after hashing, compression and sealing, on its way into a pack.
public struct PreparedBlob: Sendable {
    /// SHA-256 of the plaintext.
    public let id: BlobID
    /// What it is.
    public let kind: BlobKind
    /// The sealed bytes, or nil when the sink has the blob already, so that nothing is to be stored.
    public let sealed: [UInt8]?
    /// Length of the plaintext in bytes.
    public let plaintextBytes: Int
    /// Whether `sealed` holds a zstd frame rather than the plaintext itself.
    public let isCompressed: Bool

    public init(
        id: BlobID, kind: BlobKind, sealed: [UInt8]?, plaintextBytes: Int, isCompressed: Bool
    ) {
        self.id = id
        self.kind = kind
        self.sealed = sealed
        self.plaintextBytes = plaintextBytes
        self.isCompressed = isCompressed
    }
}

/// Where the blobs of a backup go: into packs, or nowhere when only the root tree id is wanted.
public protocol BlobSink: Sendable {
    /// Hashes, and where the blob is new compresses and seals it. Work for the processor; callable
    /// from any thread, many at once.
    func prepare(_ plaintext: [UInt8], kind: BlobKind) throws -> PreparedBlob

    /// Takes a prepared blob; waits while too many bytes are on their way to the store.
    func add(_ blob: PreparedBlob) async throws

    /// Takes several, which costs less than one after another.
    func add(_ blobs: [PreparedBlob]) async throws
}

extension BlobSink {
    /// One after another.
    public func add(_ blobs: [PreparedBlob]) async throws {
        for blob in blobs { try await add(blob) }
    }
}

/// Where the blobs of a restore come from.
public protocol BlobSource: Sendable {
    /// The verified plaintext of a blob: its MAC and its SHA-256 have been checked.
    ///
    /// - Throws: `RepositoryError` naming the blob, and the pack it should be in, when it is
    ///   missing, truncated or altered.
    func load(_ id: BlobID, kind: BlobKind) async throws -> [UInt8]

    /// The verified plaintexts of several blobs, in their order: small ones cost less together.
    ///
    /// - Throws: as for one; nothing is returned then.
    func load(_ ids: [BlobID], kind: BlobKind) async throws -> [[UInt8]]

    /// Says which data blobs will be loaded, each as often as it is named, group by group.
    func schedule(_ groups: [[BlobID]]) async -> BlobSchedule

    /// Fetches what a schedule names, unless that has begun; what fails shows when it is loaded.
    func fetch(_ fetch: BlobSchedule.Fetch) async
}

extension BlobSource {
    /// One after another.
    public func load(_ ids: [BlobID], kind: BlobKind) async throws -> [[UInt8]] {
        var blobs: [[UInt8]] = []
        for id in ids { blobs.append(try await load(id, kind: kind)) }
        return blobs
    }

    /// As they come.
    public func schedule(_ groups: [[BlobID]]) async -> BlobSchedule {
        .plain(groups.count)
    }

    /// Nothing.
    public func fetch(_ fetch: BlobSchedule.Fetch) async {}
}
