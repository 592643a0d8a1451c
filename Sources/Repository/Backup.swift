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

    private let root: FileSystemDirectory
    private let sink: any BlobSink
    private let chunker: Chunker
    private let workers: Int
    private let progress: @Sendable (TransferProgress) -> Void

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
        root = try FileSystemDirectory(sameAs: directory)
        self.sink = sink
        chunker = Chunker(polynomial: polynomial)
        self.workers = max(1, min(workers, 64))
        self.progress = progress
    }

    /// The same for a directory by its path, which must not be a symlink.
    public init(
        path: String, sink: any BlobSink, polynomial: ChunkerPolynomial,
        workers: Int = Backup.defaultWorkers,
        progress: @escaping @Sendable (TransferProgress) -> Void = { _ in }
    ) throws {
        root = try FileSystemDirectory(path: path)
        self.sink = sink
        chunker = Chunker(polynomial: polynomial)
        self.workers = max(1, min(workers, 64))
        self.progress = progress
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
        let pool = BlockingPool(label: "berth.backup", width: workers + 2)
        let isCancelled = Locked(false)
        return try await withTaskCancellationHandler {
            let scan = try await pool.run { [root] in Locked(try Scan(root: root)) }
            let worker = BackupWorker(
                sink: sink, chunker: chunker, pool: pool, meter: meter, chunksAtOnce: workers)
            var plan = BackupPlan()
            try await work(through: scan, plan: &plan, worker: worker, pool: pool, meter: meter) {
                isCancelled.withLock { $0 }
            }
            return try await finish(plan)
        } onCancel: {
            isCancelled.withLock { $0 = true }
        }
    }

    private enum Outcome: Sendable {
        case counted(ScanCensus)
        case scanned(Scan.Batch)
        case worked(BackupResult, wasLargeFile: Bool)
    }

    /// Keeps the scan and the workers busy until the root's content is stored.
    private func work(
        through scan: Locked<Scan>, plan: inout BackupPlan, worker: BackupWorker,
        pool: BlockingPool, meter: TransferMeter, isCancelled: @escaping @Sendable () -> Bool
    ) async throws {
        try await withThrowingTaskGroup(of: Outcome.self) { group in
            // Beside the second pass, which waits for it at the first hard link only.
            group.addTask { [root] in
                .counted(
                    try await pool.run { try ScanCensus(root: root, isCancelled: isCancelled) })
            }
            var (isScanning, isScanBlocked, isScanComplete) = (false, false, false)
            var hardLinks: ScanHardLinks?
            var (running, runningLarge) = (0, 0)
            while plan.content == nil || hardLinks == nil {
                try Task.checkCancellation()
                if !isScanning, !isScanComplete, plan.backlog < workers * 2 {
                    isScanning = true
                    group.addTask { [hardLinks] in
                        .scanned(
                            try await pool.run {
                                try scan.withLock { try $0.next(hardLinks: hardLinks) }
                            })
                    }
                }
                while running < workers * 2,
                    let work = plan.nextWork(
                        allowsLargeFile: runningLarge < Backup.largeFilesAtOnce,
                        isScanComplete: isScanComplete)
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
                case .counted(let census):
                    hardLinks = census.hardLinks
                    meter.expect(entries: census.entries, bytes: census.fileBytes)
                    isScanning = isScanning && !isScanBlocked
                case .scanned(let batch):
                    // Without the hard links it goes on once they have been counted.
                    isScanBlocked = batch.end == .needsHardLinks
                    isScanning = isScanBlocked && hardLinks == nil
                    isScanComplete = batch.end == .complete
                    for event in batch.events { plan.handle(event) }
                    let entries = batch.events.filter(\.isCompleteEntry).count
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
    private func finish(_ plan: BackupPlan) async throws -> BackupSummary {
        guard let content = plan.content else {
            preconditionFailure("a backup without work left knows its content")
        }
        var node = try Scan.rootNode(root, name: Array(Backup.rootName.utf8))
        node.subtree = content
        let blob = try sink.prepare(TreeEncoder.encode([node]), kind: .tree)
        if blob.sealed != nil { try await sink.add(blob) }
        var summary = plan.summary
        summary.rootTree = blob.id
        return summary
    }
}
