import Platform

/// Does the work of a backup: reads, cuts, hashes, compresses and seals on a bounded pool of
/// threads, and hands the blobs to the sink.
struct BackupWorker: Sendable {
    private let source: any BackupSource
    private let sink: any BlobSink
    private let chunker: Chunker
    private let pool: BlockingPool
    private let meter: TransferMeter
    private let chunksAtOnce: Int
    /// The id of the chunk of zeros, once it has been stored.
    private let zeros = Locked<BlobID?>(nil)

    /// - Parameters:
    ///   - chunksAtOnce: how many chunks of one large file are in memory.
    init(
        source: any BackupSource, sink: any BlobSink, chunker: Chunker, pool: BlockingPool,
        meter: TransferMeter, chunksAtOnce: Int
    ) {
        self.source = source
        self.sink = sink
        self.chunker = chunker
        self.pool = pool
        self.meter = meter
        self.chunksAtOnce = chunksAtOnce
    }

    /// - Throws: what the sink throws, and cancellation; a file that cannot be read is a result.
    func perform(_ work: BackupWork) async throws -> BackupResult {
        switch work {
        case .files(let files): .files(try await store(files))
        case .largeFile(let file): .files([(file, try await storeLarge(file))])
        case .trees(let trees): .trees(try await store(trees))
        }
    }

    // MARK: Small files

    private enum Reading: Sendable {
        case chunks([PreparedBlob])
        case failed(String)
    }

    private func store(
        _ files: [BackupFile]
    ) async throws -> [(file: BackupFile, content: BackupContent)] {
        // In the order of inodes, which is closer to the order on the disk than that of names.
        let ordered = files.sorted { $0.source.inode < $1.source.inode }
        let readings = try await pool.run { [source, sink, chunker] in
            let contents = try source.contents(of: ordered.map(\.source))
            return try contents.map { try BackupWorker.prepare($0, chunker, sink) }
        }
        var results: [(file: BackupFile, content: BackupContent)] = []
        results.reserveCapacity(files.count)
        var new: [PreparedBlob] = []
        var bytes: Int64 = 0
        for (file, reading) in zip(ordered, readings) {
            bytes += file.source.sizeBytes
            switch reading {
            case .failed(let message): results.append((file, .failed(message)))
            case .chunks(let blobs):
                new += blobs.filter { $0.sealed != nil }
                results.append((file, .chunks(blobs.map(\.id))))
            }
        }
        try await sink.add(new)
        meter.advance(entries: Int64(files.count), bytes: bytes)
        return results
    }

    private static func prepare(
        _ content: Result<[UInt8], any Error>, _ chunker: Chunker, _ sink: any BlobSink
    ) throws -> Reading {
        switch content {
        case .failure(let error): return .failed("\(error)")
        case .success(let content):
            let chunks =
                content.count <= Chunker.minimumBytes ? [content] : cut(content, with: chunker)
            return .chunks(try chunks.map { try sink.prepare($0, kind: .data) })
        }
    }

    private static func cut(_ content: [UInt8], with chunker: Chunker) -> [[UInt8]] {
        var chunker = chunker
        chunker.reset()
        var chunks: [[UInt8]] = []
        var start = 0
        while let end = chunker.nextBoundary(in: content, from: start) {
            chunks.append([UInt8](content[start..<end]))
            start = end
        }
        if start < content.count { chunks.append([UInt8](content[start...])) }
        return chunks
    }

    // MARK: Large files

    private func storeLarge(_ file: BackupFile) async throws -> BackupContent {
        let reader: Locked<BackupFileReader>
        do {
            reader = try await pool.run { [source, chunker] in
                Locked(
                    try BackupFileReader(
                        file.source, try source.open(file.source), chunker: chunker))
            }
        } catch {
            return .failed("\(error)")
        }
        return try await withThrowingTaskGroup(of: (Int, BlobID).self) { group in
            var ids: [BlobID?] = []
            var running = 0
            while true {
                let chunk: BackupFileReader.Chunk?
                do {
                    chunk = try await pool.run { try reader.withLock { try $0.next() } }
                } catch {
                    try await group.waitForAll()
                    return .failed("\(error)")
                }
                guard let chunk else { break }
                try Task.checkCancellation()
                guard case .bytes(let plaintext) = chunk else {
                    ids += try await storeHole(chunk)
                    continue
                }
                if running == chunksAtOnce, let (index, id) = try await group.next() {
                    ids[index] = id
                    running -= 1
                }
                let index = ids.count
                ids.append(nil)
                running += 1
                group.addTask { (index, try await store(plaintext)) }
            }
            for try await (index, id) in group { ids[index] = id }
            meter.advance(entries: 1)
            return .chunks(ids.compactMap { $0 })
        }
    }

    private func store(_ plaintext: [UInt8]) async throws -> BlobID {
        let blob = try await pool.run { [sink] in try sink.prepare(plaintext, kind: .data) }
        if blob.sealed != nil { try await sink.add(blob) }
        meter.advance(bytes: Int64(plaintext.count))
        return blob.id
    }

    /// The chunk of zeros is prepared and stored once.
    private func storeHole(_ chunk: BackupFileReader.Chunk) async throws -> [BlobID?] {
        guard case .zeros(let count) = chunk else { return [] }
        let id: BlobID
        var counted = count
        if let known = zeros.withLock({ $0 }) {
            id = known
        } else {
            id = try await store([UInt8](repeating: 0, count: Chunker.minimumBytes))
            zeros.withLock { $0 = id }
            counted -= 1
        }
        meter.advance(bytes: Int64(counted) * Int64(Chunker.minimumBytes))
        return [BlobID?](repeating: id, count: count)
    }

    // MARK: Trees

    private func store(
        _ trees: [BackupTree]
    ) async throws -> [(directory: Int, tree: BlobID)] {
        let blobs = try await pool.run { [sink] in
            try trees.map { try sink.prepare(TreeEncoder.encode($0.nodes), kind: .tree) }
        }
        try await sink.add(blobs.filter { $0.sealed != nil })
        return zip(trees, blobs).map { ($0.directory, $1.id) }
    }
}
