public import Platform

/// Stores the contents of files that changed, reusing what of their former chunks still holds.
public struct FileContentStore: Sendable {
    /// A chunk of a file.
    public struct Chunk: Sendable, Hashable {
        /// Its blob.
        public let id: BlobID
        /// Its length in bytes.
        public let lengthBytes: Int64

        /// Makes a chunk.
        public init(id: BlobID, lengthBytes: Int64) {
            self.id = id
            self.lengthBytes = lengthBytes
        }
    }

    /// What a file held, and where that differs from what it holds now.
    public struct Former: Sendable, Hashable {
        /// Its chunks in order.
        public let chunks: [Chunk]
        /// Where bytes differ below both sizes, ascending.
        public let changes: [Range<Int64>]

        /// Makes a former state.
        public init(chunks: [Chunk], changes: [Range<Int64>]) {
            self.chunks = chunks
            self.changes = changes
        }
    }

    /// Chunks of one file that are hashed and sealed at the same time.
    private static let chunksAtOnce = 3

    private let sink: any BlobSink
    private let chunker: Chunker
    private let pool: BlockingPool
    private let isKnown: @Sendable (BlobID) async throws -> Bool
    private let progress: @Sendable (Int64) -> Void
    private let stored = Locked<Int64>(0)
    private let read = Locked<Int64>(0)
    /// The chunk of zeros, once it is certain to be stored.
    private let zeros = Locked<BlobID?>(nil)

    /// - Parameters:
    ///   - sink: where new blobs go.
    ///   - polynomial: the repository's chunker polynomial.
    ///   - pool: where files are read and chunks are sealed.
    ///   - isKnown: whether a blob is reachable from the pinned base.
    ///   - progress: told how many bytes were read and stored so far, from any thread; it must not
    ///     block.
    public init(
        sink: any BlobSink, polynomial: ChunkerPolynomial, pool: BlockingPool,
        isKnown: @escaping @Sendable (BlobID) async throws -> Bool,
        progress: @escaping @Sendable (Int64) -> Void = { _ in }
    ) {
        self.sink = sink
        chunker = Chunker(polynomial: polynomial)
        self.pool = pool
        self.isKnown = isKnown
        self.progress = progress
    }

    /// How many bytes of files were read so far.
    public var readBytes: Int64 { read.withLock { $0 } }

    /// Stores a file.
    ///
    /// - Parameters:
    ///   - sizeBytes: its size.
    ///   - former: nil where it is read as a whole.
    ///   - open: opens it for reading, in a read-only snapshot; called on a thread of the pool.
    /// - Throws: `RepositoryError`: `verificationFailed` where the chunks do not make up the file;
    ///   `PlatformError`; what the sink throws.
    public func store(
        sizeBytes: Int64, former: Former? = nil,
        open: @escaping @Sendable () throws -> Descriptor
    ) async throws -> [Chunk] {
        let reader = try await pool.run { [chunker] in
            Locked(ChunkReader(try open(), sizeBytes: sizeBytes, chunker: chunker))
        }
        let known = former?.chunks ?? []
        var plan = ChunkPlan(
            lengths: known.map(\.lengthBytes), changes: former?.changes ?? [],
            sizeBytes: sizeBytes)
        let chunks = try await withThrowingTaskGroup(of: (Int, Chunk).self) { group in
            var chunks: [Chunk?] = []
            var running = 0
            work: while true {
                switch plan.next() {
                case .done: break work
                case .reuse(let range): chunks += known[range].map { $0 }
                case .cut(let offset):
                    reader.withLock { $0.move(to: offset) }
                    var end = offset
                    repeat {
                        try Task.checkCancellation()
                        if running == Self.chunksAtOnce, let (index, chunk) = try await group.next()
                        {
                            chunks[index] = chunk
                            running -= 1
                        }
                        let next = try await pool.run {
                            try reader.withLock { try $0.next() }
                        }
                        guard let next else { break work }
                        end = next.range.upperBound
                        let index = chunks.count
                        chunks.append(nil)
                        running += 1
                        group.addTask { (index, try await store(next)) }
                    } while end < sizeBytes && !plan.resumes(at: end)
                    if end >= sizeBytes { break work }
                }
            }
            for try await (index, chunk) in group { chunks[index] = chunk }
            return chunks.compactMap { $0 }
        }
        let bytes = reader.withLock { $0.readBytes }
        read.withLock { $0 += bytes }
        guard chunks.reduce(0, { $0 + $1.lengthBytes }) == sizeBytes else {
            throw RepositoryError(
                code: .verificationFailed,
                message: "the chunks of a file of \(sizeBytes) bytes do not make it up")
        }
        return chunks
    }

    private func store(_ chunk: ChunkReader.Chunk) async throws -> Chunk {
        if chunk.bytes == nil, let id = zeros.withLock({ $0 }) {
            return Chunk(id: id, lengthBytes: Int64(chunk.range.count))
        }
        let plaintext = chunk.bytes ?? [UInt8](repeating: 0, count: chunk.range.count)
        let id = try await pool.run { BlobID(hashing: plaintext) }
        if try await !isKnown(id) {
            let blob = try await pool.run { [sink] in try sink.prepare(plaintext, kind: .data) }
            if blob.sealed != nil { try await sink.add(blob) }
        }
        if chunk.bytes == nil { zeros.withLock { $0 = id } }
        progress(
            stored.withLock { stored in
                stored += Int64(chunk.range.count)
                return stored
            })
        return Chunk(id: id, lengthBytes: Int64(chunk.range.count))
    }
}
