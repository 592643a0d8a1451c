public import Platform

/// Makes a volume that holds what one backup says into what another says, in time that grows with
/// what differs.
///
/// The target is a writable snapshot of the former state, reachable by nobody else. Subtrees with
/// equal ids are never looked at; of files only the ranges are written that differ. What is said of
/// the former state is believed only so far: a file is written over only where it is the only name of
/// its inode and has the former length, and what was written is to be proved: by the caller, who can
/// find all that differs between the two states, or with `prove`, which reads each directory that was
/// to differ as a restore from nothing does. A caller discards the target where this fails, and
/// restores from nothing.
public struct RestoreDelta: Sendable {
    /// Beyond so many directories with differences a restore from nothing is the better way.
    public static let directoryLimit = 20_000
    private static let filesPerBatch = 64
    private static let bytesPerBatch: UInt64 = 4 << 20
    /// Batches that are fetched at the same time.
    private static let width = 8

    private let source: any BlobSource
    private let target: RestoreDirectory
    private let proof: RestoreProof
    private let length: @Sendable (BlobID) -> Int?
    private let progress: @Sendable (TransferProgress) -> Void

    /// Prepares a restore into the directory that is open as `target`.
    ///
    /// - Parameters:
    ///   - source: where the blobs of both backups come from.
    ///   - target: holds the former state, and may be changed.
    ///   - proof: computes the trees of what was changed.
    ///   - length: how long the plaintext of a data blob is.
    ///   - progress: told after each piece of work, from any thread; it must not block.
    /// - Throws: `PlatformError` where the target cannot be opened.
    public init(
        source: any BlobSource, target: borrowing Descriptor, proof: RestoreProof,
        length: @escaping @Sendable (BlobID) -> Int?,
        progress: @escaping @Sendable (TransferProgress) -> Void = { _ in }
    ) throws {
        self.source = source
        self.target = RestoreDirectory(try FileSystemDirectory(sameAs: target))
        self.proof = proof
        self.length = length
        self.progress = progress
    }

    /// What was written, and is still to be proved.
    public struct Written: Sendable {
        /// Without the root tree.
        public let summary: RestoreSummary
        let plan: RestoreDeltaPlan
    }

    /// Restores, makes it durable (syncfs(2)), and proves it.
    ///
    /// - Parameters:
    ///   - former: the root tree of what the target holds.
    ///   - rootTree: the root tree that it is to have.
    /// - Returns: what was written; `rootTree` is the one computed from what is there in the end.
    /// - Throws: `RepositoryError`: `missing` and `corrupt` naming blob and pack;
    ///   `verificationFailed` and `fileSystem` where the target is not what was said of it;
    ///   `limitExceeded` where too much differs.
    @concurrent
    public func run(from former: BlobID, to rootTree: BlobID) async throws -> RestoreSummary {
        let written = try await write(from: former, to: rootTree)
        let pool = BlockingPool(label: "berth.restore", width: 1)
        async let isDurable: Void = pool.run { [target] in try target.sync() }
        var summary = written.summary
        summary.rootTree = try await prove(written)
        try await isDurable
        return summary
    }

    /// Restores; what is there then is neither durable nor proved.
    ///
    /// - Throws: as `run`.
    @concurrent
    public func write(from former: BlobID, to rootTree: BlobID) async throws -> Written {
        let pool = BlockingPool(label: "berth.restore", width: 1)
        let meter = TransferMeter(observe: progress)
        var plan = try await RestoreDeltaPlan(from: former, to: rootTree, source: source)
        let links = try await plan.takeLinks(source)
        let files = plan.files
        meter.expect(
            entries: Int64(plan.stepCount),
            bytes: files.reduce(0) { $0 + Int64(clamping: $1.node.sizeBytes) })
        let writer = RestoreDeltaWriter(target: target)
        let kept = try await pool.run { [plan] in
            let kept = try writer.keep(links.kept)
            try writer.shape(plan.differences)
            return kept
        }
        meter.advance(entries: Int64(plan.stepCount - files.count))
        let worker = RestoreWorker(
            source: source, policy: .faithful, pool: pool, meter: meter, chunksAtOnce: 4,
            surroundings: try RestoreSurroundings(target: target, isIsolating: true),
            proof: proof, losses: nil, readers: pool)
        _ = try await concurrentMap(Self.batches(files), width: Self.width) { batch in
            try await write(batch, worker)
        }
        try await pool.run { [plan] in
            try writer.link(links.made, kept)
            try writer.finish(plan.differences)
        }
        return Written(summary: plan.summary, plan: plan)
    }

    /// What would be done, without a target.
    ///
    /// - Throws: as `run`.
    public static func plan(
        from former: BlobID?, to rootTree: BlobID, source: any BlobSource
    ) async throws -> RestorePreview {
        try await RestoreDeltaPlan(from: former, to: rootTree, source: source).preview
    }

    /// Small files go together; one that is not small is alone, because all that a batch writes is
    /// held.
    static func batches(_ files: [RestoreDeltaPlan.File]) -> [[RestoreDeltaPlan.File]] {
        var batches: [[RestoreDeltaPlan.File]] = []
        var bytes: UInt64 = 0
        for file in files {
            let isFull =
                batches.last.map {
                    $0.count >= filesPerBatch || bytes + file.node.sizeBytes > bytesPerBatch
                        || !file.isSmall
                } ?? true
            if isFull {
                batches.append([])
                bytes = 0
            }
            batches[batches.count - 1].append(file)
            bytes += file.isSmall ? file.node.sizeBytes : bytesPerBatch + 1
        }
        return batches
    }

    // MARK: Files

    private func write(_ batch: [RestoreDeltaPlan.File], _ worker: RestoreWorker) async throws {
        for file in batch where !file.isSmall && file.former == nil {
            _ = try await worker.perform(.largeFile(place(file), file.node))
        }
        let small = batch.filter { $0.isSmall || $0.former != nil }
        // Fetched together: one request where they lie side by side.
        let rewrites = try small.map { file in
            try file.former.map {
                try RestoreRewrite(from: $0, to: file.node, length: length)
            }
        }
        let wanted = zip(small, rewrites).map { file, rewrite in
            rewrite.map { $0.pieces.map(\.id) } ?? file.node.content
        }
        let isLarge = small.count == 1 && (wanted.first?.count ?? 0) > 4
        let chunks = isLarge ? [] : try await source.load(wanted.flatMap { $0 }, kind: .data)
        var rest = chunks[...]
        for (index, file) in small.enumerated() {
            let own = Array(rest.prefix(isLarge ? 0 : wanted[index].count))
            rest = rest.dropFirst(own.count)
            do {
                if let rewrite = rewrites[index] {
                    try await self.rewrite(file, rewrite, own, worker)
                } else if isLarge {
                    _ = try await worker.perform(
                        .files([RestoreFiles(place: place(file), nodes: [file.node])]))
                } else {
                    try await make(file, own, worker)
                }
            } catch {
                if error is CancellationError { throw error }
                throw RestoreWorker.failure(place(file).display(file.node.name), error)
            }
        }
    }

    private func make(
        _ file: RestoreDeltaPlan.File, _ chunks: [[UInt8]], _ worker: RestoreWorker
    ) async throws {
        let place = place(file)
        try await worker.pool.run { [surroundings = worker.surroundings] in
            let directory = try place.open()
            guard file.node.kind == .file else {
                return try directory.make(file.node, isolates: true)
            }
            let made = try RestoreFile(file.node, in: directory, surroundings)
            for chunk in chunks { try made.write(chunk) }
            try made.finish()
        }
        worker.meter.advance(entries: 1, bytes: Int64(clamping: file.node.sizeBytes))
    }

    /// Writes what differs and reads it back; everything else stays as btrfs shares it.
    private func rewrite(
        _ file: RestoreDeltaPlan.File, _ rewrite: RestoreRewrite, _ chunks: [[UInt8]],
        _ worker: RestoreWorker
    ) async throws {
        let place = place(file)
        let open = try await worker.pool.run {
            let open = try rewrite.open(file.node.name, in: try place.open())
            try open.withNumber { try rewrite.resize($0) }
            return open
        }
        for (index, piece) in rewrite.pieces.enumerated() {
            var chunk = chunks.indices.contains(index) ? chunks[index] : []
            if chunk.isEmpty { chunk = try await source.load(piece.id, kind: .data) }
            try await worker.pool.run { [chunk, proof] in
                try open.withNumber { number in
                    try rewrite.write(chunk, at: piece, to: number)
                    try proof.prove(chunk: piece.id, at: piece.range, of: number)
                }
            }
            worker.meter.advance(bytes: Int64(chunk.count))
        }
        try await worker.pool.run {
            try open.withNumber {
                try RestoreMetadata.apply(file.node, to: $0, isolates: true)
            }
        }
        worker.meter.advance(entries: 1)
    }

    private func place(_ file: RestoreDeltaPlan.File) -> RestorePlace {
        RestorePlace(
            number: 0, base: target, names: file.directory, way: .through(file.directory))
    }

    // MARK: The receipt

    /// Computes the root tree from what is there: each directory that differs is read.
    ///
    /// - Throws: `RepositoryError` `verificationFailed` naming the path.
    public func prove(_ written: Written) async throws -> BlobID {
        let readers = BlockingPool(label: "berth.restore.proof", width: Self.width)
        _ = try await concurrentMap(written.plan.differences, width: Self.width) {
            [proof, target] difference in
            try await readers.run {
                guard let tree = difference.node.subtree else { return }
                let directory = try difference.path.reduce(target) { try $0.descend($1) }
                let made = difference.made
                try proof.prove(
                    directory.content, holds: difference.nodes, as: tree, at: difference.path
                ) { !made.contains($0.name) }
            }
        }
        return try await readers.run { [proof, target, root = written.plan.root] in
            try proof.finish(target.content, root, isWhole: false)
        }
    }
}
