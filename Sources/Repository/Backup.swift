import Glibc
public import Platform

/// Reads a directory tree into blobs: files in parallel, trees from the bottom up, in memory that
/// does not grow with the tree (but for a single directory's entries and the table of hard links).
///
/// The root tree holds one node, a directory named `project`, with the metadata of the directory
/// itself, whose subtree is its content. Berth backs up read-only snapshots; in a live directory a
/// file that changes meanwhile is reported and left out.
public struct Backup: Sendable {
    /// The name of the one node of the root tree; `/project` is the path of every snapshot.
    public static let rootName = "project"
    /// So many threads read, hash, compress and seal unless told otherwise: one more than there are
    /// processors, because one of them waits for the disk.
    public static var defaultWorkers: Int {
        min(max(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 1), 15) + 1
    }
    /// Large files read at the same time.
    private static let largeFilesAtOnce = 2

    private let source: any BackupSource
    private let sink: any BlobSink
    private let chunker: Chunker
    private let workers: Int
    private let progress: @Sendable (TransferProgress) -> Void

    /// Prepares a backup of what a source tells.
    ///
    /// - Parameters:
    ///   - source: what is to be backed up.
    ///   - sink: where the blobs go.
    ///   - polynomial: the repository's chunker polynomial.
    ///   - workers: how many threads read, hash, compress and seal; 1 to 64, default `defaultWorkers`.
    ///   - progress: told after each piece of work, from any thread; it must not block.
    public init(
        source: any BackupSource, sink: any BlobSink, polynomial: ChunkerPolynomial,
        workers: Int = Backup.defaultWorkers,
        progress: @escaping @Sendable (TransferProgress) -> Void = { _ in }
    ) {
        self.source = source
        self.sink = sink
        chunker = Chunker(polynomial: polynomial)
        self.workers = max(1, min(workers, 64))
        self.progress = progress
    }

    /// Prepares a backup of the directory that is open as `directory`.
    ///
    /// - Parameters:
    ///   - directory: what is to be backed up, usually a read-only snapshot.
    ///   - sink: where the blobs go.
    ///   - polynomial: the repository's chunker polynomial.
    ///   - workers: how many threads read, hash, compress and seal; 1 to 64, default `defaultWorkers`.
    ///   - progress: told after each piece of work, from any thread; it must not block.
    /// - Throws: `PlatformError` where the directory cannot be opened.
    public init(
        directory: borrowing Descriptor, sink: any BlobSink, polynomial: ChunkerPolynomial,
        workers: Int = Backup.defaultWorkers,
        progress: @escaping @Sendable (TransferProgress) -> Void = { _ in }
    ) throws {
        self.init(
            source: FileSystemSource(root: try FileSystemDirectory(sameAs: directory)), sink: sink,
            polynomial: polynomial, workers: workers, progress: progress)
    }

    /// The same for a directory by its path, which must not be a symlink.
    public init(
        path: String, sink: any BlobSink, polynomial: ChunkerPolynomial,
        workers: Int = Backup.defaultWorkers,
        progress: @escaping @Sendable (TransferProgress) -> Void = { _ in }
    ) throws {
        self.init(
            source: FileSystemSource(root: try FileSystemDirectory(path: path)), sink: sink,
            polynomial: polynomial, workers: workers, progress: progress)
    }

    /// Reads everything and hands it to the sink, whose owner finishes it then: the blobs are
    /// durable when the sink says so, not when this returns.
    ///
    /// - Returns: the root tree's id and what was found; look at `isComplete`.
    /// - Throws: `PlatformError` where the root cannot be read, what the sink throws, and
    ///   `CancellationError`.
    @concurrent
    public func run() async throws -> BackupSummary {
        let meter = TransferMeter(observe: progress)
        let pool = BlockingPool(
            label: "berth.backup", width: workers + 1 + source.scansAtOnce)
        let isCancelled = Locked(false)
        return try await withTaskCancellationHandler {
            let worker = BackupWorker(
                source: source, sink: sink, chunker: chunker, pool: pool, meter: meter,
                chunksAtOnce: workers)
            var plan = BackupPlan()
            var agenda = ScanAgenda(scansAtOnce: source.scansAtOnce)
            agenda.begin(try await pool.run { [source] in try source.firstPlace() })
            try await work(
                through: &agenda, plan: &plan, worker: worker, pool: pool, meter: meter
            ) { isCancelled.withLock { $0 } }
            return try await finish(plan, pool)
        } onCancel: {
            isCancelled.withLock { $0 = true }
        }
    }

    private enum Outcome: Sendable {
        case counted(ScanTotals)
        case scanned(ScanBatch)
        case worked(BackupResult, wasLargeFile: Bool)
    }

    /// Keeps the scan and the workers busy until the root's content is stored.
    private func work(
        through agenda: inout ScanAgenda, plan: inout BackupPlan, worker: BackupWorker,
        pool: BlockingPool, meter: TransferMeter, isCancelled: @escaping @Sendable () -> Bool
    ) async throws {
        try await withThrowingTaskGroup(of: Outcome.self) { group in
            group.addTask { [source] in
                .counted(try await pool.run { try source.count(isCancelled: isCancelled) })
            }
            var (running, runningLarge) = (0, 0)
            while plan.content == nil || !agenda.isCounted {
                try Task.checkCancellation()
                while plan.backlog < workers * 2, let places = agenda.next() {
                    group.addTask { [source] in
                        .scanned(try await pool.run { try source.scan(places) })
                    }
                }
                while running < workers * 2,
                    let work = plan.nextWork(
                        allowsLargeFile: runningLarge < Backup.largeFilesAtOnce,
                        isScanComplete: agenda.isComplete)
                {
                    var isLarge = false
                    if case .largeFile = work { isLarge = true }
                    running += 1
                    runningLarge += isLarge ? 1 : 0
                    group.addTask { [isLarge] in
                        .worked(try await worker.perform(work), wasLargeFile: isLarge)
                    }
                }
                guard let outcome = try await group.next() else { break }
                switch outcome {
                case .counted(let totals):
                    agenda.isCounted = true
                    meter.expect(entries: totals.entries, bytes: totals.fileBytes)
                case .scanned(let batch):
                    agenda.handle(batch)
                    for event in batch.events { plan.handle(event) }
                    let entries = batch.events.count(where: \.isCompleteEntry)
                    if entries > 0 { meter.advance(entries: Int64(entries)) }
                case .worked(let result, let wasLargeFile):
                    running -= 1
                    runningLarge -= wasLargeFile ? 1 : 0
                    plan.handle(result)
                }
            }
        }
    }

    /// Stores the root tree.
    private func finish(_ plan: BackupPlan, _ pool: BlockingPool) async throws -> BackupSummary {
        guard let content = plan.content else {
            preconditionFailure("a backup without work left knows its content")
        }
        var node = try await pool.run { [source] in try source.rootNode() }
        node.subtree = content
        let blob = try sink.prepare(TreeEncoder.encode([node]), kind: .tree)
        if blob.sealed != nil { try await sink.add(blob) }
        var summary = plan.summary
        summary.rootTree = blob.id
        // Scans at once tell them in any order.
        summary.nestedSubvolumes.sort { $0.lexicographicallyPrecedes($1) }
        return summary
    }
}
