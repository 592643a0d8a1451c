public import Platform

/// Writes what a backup holds into a directory.
///
/// The target should be fresh, empty and reachable by nobody else (a directory or subvolume with
/// mode 0700): the caller publishes it when everything succeeded, and discards it otherwise. Nothing
/// is ever written outside of it, whatever the trees say.
public struct Restore: Sendable {
    /// So many pieces of work are fetched and opened at the same time, unless told otherwise, for
    /// the one thread that writes: more of those get into each other's way.
    public static let defaultWorkers = 2
    private static let largeFilesAtOnce = 2
    private static let directoriesAtOnce = 16

    private let source: any BlobSource
    private let target: RestoreDirectory
    private let policy: RestorePolicy
    private let workers: Int
    private let proof: RestoreProof?
    private let losses: RestoreLosses?
    private let progress: @Sendable (TransferProgress) -> Void

    /// Prepares a restore into the directory that is open as `target`.
    ///
    /// - Parameters:
    ///   - source: where the blobs come from.
    ///   - target: for `RestoreSelection.volume` and `.tree` an empty directory.
    ///   - policy: what of the nodes' power is given back.
    ///   - workers: a twelfth of how many pieces of work fetch blobs, 1 to 64, default 2.
    ///   - proof: computes the root tree from what was written; only for a `.volume` restored with
    ///     the policy `.faithful`, because nothing else is what the backup holds.
    ///   - losses: collects what cannot be read and is left out; nil lets that fail.
    ///   - progress: told after each piece of work, from any thread; it must not block. The totals
    ///     grow while directories are being entered.
    /// - Throws: `PlatformError` where the target cannot be opened.
    public init(
        source: any BlobSource, target: borrowing Descriptor, policy: RestorePolicy,
        workers: Int = Restore.defaultWorkers, proof: RestoreProof? = nil,
        losses: RestoreLosses? = nil,
        progress: @escaping @Sendable (TransferProgress) -> Void = { _ in }
    ) throws {
        self.source = source
        self.target = RestoreDirectory(try FileSystemDirectory(sameAs: target))
        self.policy = policy
        self.workers = max(1, min(workers, 64))
        self.proof = proof
        self.losses = losses
        self.progress = progress
    }

    /// Restores and makes it durable (syncfs(2)).
    ///
    /// - Parameters:
    ///   - selection: what is restored.
    ///   - rootTree: the tree that the snapshot file names.
    /// - Throws: `RepositoryError` naming the path, and the blob and pack where one is missing or
    ///   corrupt: what was written until then is to be discarded. `invalidInput` where the target
    ///   is not empty or the path is not in the backup.
    @concurrent
    public func run(_ selection: RestoreSelection, of rootTree: BlobID) async throws
        -> RestoreSummary
    {
        let pool = BlockingPool(label: "berth.restore", width: 1)
        let (nodes, own) = try await resolve(
            selection, TreeWalker(rootTree: rootTree, source: source))
        let surroundings = try await pool.run { [target] in
            if case .path = selection { return try RestoreSurroundings(target: target) }
            guard try target.isEmpty() else {
                throw RepositoryError(
                    code: .invalidInput, message: "the directory to restore into is not empty")
            }
            return try RestoreSurroundings(target: target)
        }
        let worker = RestoreWorker(
            source: source, policy: policy, pool: pool,
            meter: TransferMeter(observe: progress), chunksAtOnce: workers * 2,
            surroundings: surroundings, proof: own == nil ? nil : proof, losses: losses,
            readers: BlockingPool(label: "berth.restore.proof", width: 2))
        var plan = RestorePlan(
            target: target, node: own, policy: policy, proves: worker.proof != nil)
        try await work(on: nodes, plan: &plan, worker: worker)
        let links = plan.links
        try await pool.run { [target, losses] in
            try Restore.makeLinks(links, in: target, losses)
        }
        async let isDurable: Void = pool.run { [target] in try target.sync() }
        var summary = plan.summary
        summary.rootTree = try await prove(plan.complete, own, worker)
        try await isDurable
        return summary
    }

    /// Proves everything that was written, when nothing is written any more: btrfs would let one wait
    /// for the other.
    private func prove(
        _ directories: [RestoreProof.Directory], _ own: Node?, _ worker: RestoreWorker
    ) async throws -> BlobID? {
        guard let proof = worker.proof, let own else { return nil }
        // In the order of their writing, so that trees are read from packs as they were before.
        let pieces = stride(from: 0, to: directories.count, by: Self.directoriesAtOnce).map {
            directories[$0..<min($0 + Self.directoriesAtOnce, directories.count)]
        }
        _ = try await concurrentMap(pieces, width: 4) { [target] piece in
            let trees = try await source.load(piece.map(\.tree), kind: .tree)
            try await worker.readers.run {
                for (directory, json) in zip(piece, trees) {
                    let path = directory.path
                    let open = try path.reduce(target) { try $0.descend($1) }
                    try proof.prove(
                        open.content, holds: TreeDecoder.decode(json), as: directory.tree, at: path)
                }
            }
        }
        return try await worker.readers.run { [target] in
            try proof.finish(target.content, own, isWhole: true)
        }
    }

    /// The entries of the target, and what the target itself becomes.
    private func resolve(
        _ selection: RestoreSelection, _ walker: TreeWalker
    ) async throws -> (nodes: [Node], own: Node?) {
        switch selection {
        case .volume:
            let volume = try await walker.volume()
            guard let tree = volume.subtree else { return ([], volume) }
            return (try await walker.entries(of: tree), volume)
        case .tree: return (try await walker.entries(), nil)
        case .path(let path, let name):
            if let objection = TreeDecoder.objection(toName: name) {
                throw RepositoryError(
                    code: .invalidInput, message: "the new name is \(objection)")
            }
            var node = try await walker.node(at: path)
            node.name = name
            return ([node], nil)
        }
    }

    private enum Outcome: Sendable {
        case worked(RestoreResult, wasLargeFile: Bool)
    }

    private func work(
        on nodes: [Node], plan: inout RestorePlan, worker: RestoreWorker
    ) async throws {
        let place = RestorePlace(number: RestorePlan.root, base: target, names: [], way: nil)
        let entered = try await worker.enter(place, nodes)
        try await withThrowingTaskGroup(of: Outcome.self) { group in
            try apply(entered, to: &plan, meter: worker.meter)
            var (running, runningLarge, entering) = (0, 0, 0)
            while !plan.isFinished {
                try Task.checkCancellation()
                if let window = plan.takeWindow(isEntering: entering > 0) {
                    let schedule = await source.schedule(window.contents)
                    plan.add(window, by: schedule)
                }
                while running < workers * 12,
                    let work = plan.nextWork(
                        allowsLargeFile: runningLarge < Restore.largeFilesAtOnce,
                        allowsEntering: entering < workers * 2)
                {
                    var isLarge = false
                    if case .largeFile = work { isLarge = true }
                    if case .enter = work { entering += 1 }
                    running += 1
                    runningLarge += isLarge ? 1 : 0
                    group.addTask { [isLarge] in
                        .worked(try await worker.perform(work), wasLargeFile: isLarge)
                    }
                }
                guard case .worked(let result, let wasLargeFile)? = try await group.next() else {
                    throw RepositoryError(
                        code: .verificationFailed,
                        message: "the restore came to no end: directories are not complete")
                }
                running -= 1
                runningLarge -= wasLargeFile ? 1 : 0
                if case .entered = result { entering -= 1 }
                try apply(result, to: &plan, meter: worker.meter)
            }
        }
    }

    private func apply(
        _ result: RestoreResult, to plan: inout RestorePlan, meter: TransferMeter
    ) throws {
        switch result {
        case .entered(let number, let directory, let nodes):
            let added = try plan.add(nodes, to: number, opened: directory)
            meter.expect(entries: added.entries, bytes: added.bytes)
            if added.done > 0 { meter.advance(entries: added.done) }
        case .written(let entries):
            for (number, count) in entries { plan.settle(number, count: count) }
        case .finished(let number): plan.finish(number)
        }
    }

    /// Makes the hard links, whose directories have their times already.
    private static func makeLinks(
        _ links: [RestoreLink], in target: RestoreDirectory, _ losses: RestoreLosses?
    ) throws {
        for link in links {
            guard let name = link.path.last, let original = link.original.last else { continue }
            do {
                let from = try link.original.dropLast().reduce(target) { try $0.descend($1) }
                let to = try link.path.dropLast().reduce(target) { try $0.descend($1) }
                try to.keepingTimes { try from.makeLink(from: original, to: name, in: to) }
            } catch {
                let path = link.path.joined(separator: [UInt8(ascii: "/")])
                // The file itself was left out.
                if losses?.takeLink(error, at: String(decoding: [UInt8](path), as: UTF8.self))
                    ?? false
                {
                    continue
                }
                throw RestoreWorker.failure(
                    String(decoding: [UInt8](path), as: UTF8.self), error)
            }
        }
    }
}
