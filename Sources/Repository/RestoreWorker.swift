import Platform

/// Does the work of a restore: fetches blobs ahead, makes entries and writes files on a bounded pool
/// of threads.
struct RestoreWorker: Sendable {
    let source: any BlobSource
    let policy: RestorePolicy
    /// Where everything is made: btrfs makes files no faster for several at once.
    let pool: BlockingPool
    let meter: TransferMeter
    /// Chunks of one large file that are fetched ahead.
    let chunksAtOnce: Int
    let surroundings: RestoreSurroundings
    let proof: RestoreProof?
    let losses: RestoreLosses?
    /// Where what was written is read again.
    let readers: BlockingPool
    /// Files up to 512 KiB have one chunk; together the files of one piece of work have few more.
    private static let furtherChunks = 16
    /// The chunk that is a hole.
    private let zeros = BlobID(hashing: [UInt8](repeating: 0, count: Chunker.minimumBytes))

    /// - Throws: `RepositoryError` naming the path; cancellation.
    func perform(_ work: RestoreWork) async throws -> RestoreResult {
        switch work {
        case .enter(let place, let node):
            return try await named(place, node) {
                guard let tree = node.subtree else {
                    throw RepositoryError.corrupt("the tree", "a directory has no subtree")
                }
                return try await enter(place, try await entries(of: tree, at: place))
            }
        case .fetch(let fetch):
            await source.fetch(fetch)
            return .written([])
        case .files(let files):
            try await write(files)
            return .written(files.map { (number: $0.place.number, count: $0.nodes.count) })
        case .largeFile(let place, let node):
            do {
                try await named(place, node) { try await writeLarge(node, in: place) }
            } catch  where losses?.take(error, at: place.display(node.name)) ?? false {
                try await pool.run { try place.open().remove(node.name) }
            }
            return .written([(number: place.number, count: 1)])
        case .finish(let place, let node):
            return try await named(place, node) {
                try await pool.run { [surroundings] in
                    try place.open().apply(node, isolates: surroundings.passAttributesOn)
                    return .finished(number: place.number)
                }
            }
        }
    }

    /// The entries of a directory; none where they cannot be read and that is allowed.
    private func entries(of tree: BlobID, at place: RestorePlace) async throws -> [Node] {
        do {
            return try await TreeWalker(rootTree: tree, source: source).entries(of: tree)
        } catch  where losses?.take(error, at: place.display()) ?? false {
            return []
        }
    }

    /// Makes a directory's subdirectories and everything small that has one name.
    func enter(_ place: RestorePlace, _ nodes: [Node]) async throws -> RestoreResult {
        try await pool.run { [policy, surroundings] in
            let isolates = surroundings.passAttributesOn
            let directory = try place.open()
            for node in nodes {
                guard let kept = policy.apply(to: node) else { continue }
                do {
                    if kept.kind == .directory {
                        try directory.makeDirectory(kept.name)
                    } else if kept.kind != .file, kept.links <= 1 {
                        try directory.make(kept, isolates: isolates)
                    }
                } catch {
                    throw RestoreWorker.failure(place.display(kept.name), error)
                }
            }
            return .entered(number: place.number, directory, nodes)
        }
    }

    // MARK: Files

    private func write(_ files: [RestoreFiles]) async throws {
        let contents = try await contents(of: files)
        try await pool.run { [contents, surroundings] in
            var rest = contents[...]
            for part in files {
                let directory = try part.place.open()
                for node in part.nodes {
                    guard let chunks = rest.removeFirst() else { continue }
                    do {
                        guard node.kind == .file else {
                            try directory.make(node, isolates: surroundings.passAttributesOn)
                            continue
                        }
                        let file = try RestoreFile(node, in: directory, surroundings)
                        for chunk in chunks { try file.write(chunk) }
                        try file.finish()
                    } catch {
                        throw RestoreWorker.failure(part.place.display(node.name), error)
                    }
                }
            }
        }
        let nodes = files.lazy.flatMap(\.nodes)
        meter.advance(
            entries: Int64(contents.count),
            bytes: nodes.reduce(0) { $0 + Int64(clamping: $1.sizeBytes) })
    }

    /// The chunks of small files, all at once; where that fails, one after another, so that the
    /// failure names its file.
    private func contents(of files: [RestoreFiles]) async throws -> [[[UInt8]]?] {
        // A tree that lies about its files does not get more memory than honest ones.
        let ids = files.flatMap { $0.nodes.flatMap(\.content) }
        if ids.count <= files.reduce(Self.furtherChunks, { $0 + $1.nodes.count }),
            // Whatever it is that fails, it fails again below, with its path.
            let chunks = try? await source.load(ids, kind: .data)
        {
            var rest = chunks[...]
            var contents: [[[UInt8]]?] = []
            for part in files {
                for node in part.nodes {
                    let own = Array(rest.prefix(node.content.count))
                    rest = rest.dropFirst(own.count)
                    try check(own, of: node, in: part.place)
                    contents.append(own)
                }
            }
            return contents
        }
        try Task.checkCancellation()
        var contents: [[[UInt8]]?] = []
        for part in files {
            for node in part.nodes { contents.append(try await content(of: node, in: part.place)) }
        }
        return contents
    }

    /// The chunks of one small file; nil where they cannot be read and that is allowed.
    private func content(of node: Node, in place: RestorePlace) async throws -> [[UInt8]]? {
        var chunks: [[UInt8]] = []
        do {
            for id in node.content {
                try await named(place, node) {
                    chunks.append(try await source.load(id, kind: .data))
                }
                try check(chunks, of: node, in: place)
            }
            return chunks
        } catch  where losses?.take(error, at: place.display(node.name)) ?? false {
            return nil
        }
    }

    private func check(_ chunks: [[UInt8]], of node: Node, in place: RestorePlace) throws {
        let bytes = chunks.reduce(0) { $0 + UInt64($1.count) }
        guard bytes <= node.sizeBytes else {
            throw RestoreWorker.failure(
                place.display(node.name),
                RepositoryError.corrupt("the tree", "more content than its size"))
        }
    }

    private func writeLarge(_ node: Node, in place: RestorePlace) async throws {
        let file = try await pool.run { [surroundings] in
            Locked(try RestoreFile(node, in: place.open(), surroundings))
        }
        let holeBytes = try await withThrowingTaskGroup(of: (Int, [UInt8]).self) { group in
            var arrived: [Int: [UInt8]] = [:]
            var requested = 0
            var holeBytes = 0
            for index in node.content.indices {
                if node.content[index] == zeros {
                    holeBytes += Chunker.minimumBytes
                    continue
                }
                while requested < min(index + chunksAtOnce, node.content.count) {
                    let id = node.content[requested]
                    if id != zeros {
                        group.addTask { [requested] in
                            (requested, try await source.load(id, kind: .data))
                        }
                    }
                    requested += 1
                }
                while arrived[index] == nil, let (other, chunk) = try await group.next() {
                    arrived[other] = chunk
                }
                guard let chunk = arrived.removeValue(forKey: index) else { continue }
                try await pool.run { [holeBytes] in
                    try file.withLock {
                        $0.skip(holeBytes)
                        try $0.write(chunk)
                    }
                }
                meter.advance(bytes: Int64(holeBytes + chunk.count))
                holeBytes = 0
            }
            return holeBytes
        }
        try await pool.run {
            try file.withLock {
                $0.skip(holeBytes)
                try $0.finish()
            }
        }
        meter.advance(entries: 1, bytes: Int64(holeBytes))
    }

    // MARK: Errors

    private func named<Answer>(
        _ place: RestorePlace, _ node: Node, _ body: () async throws -> Answer
    ) async throws -> Answer {
        do {
            return try await body()
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            // A directory's place is the directory itself, a file's the one that it is in.
            let path = node.subtree == nil ? place.display(node.name) : place.display()
            throw RestoreWorker.failure(path, error)
        }
    }

    static func failure(_ path: String, _ error: any Error) -> RepositoryError {
        let code = (error as? RepositoryError)?.code ?? .fileSystem(path: path)
        return RepositoryError(code: code, message: "cannot restore '\(path)'", cause: error)
    }
}
