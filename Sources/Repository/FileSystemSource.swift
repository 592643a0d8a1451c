public import Platform

/// Reads a directory tree by the calls that every file system has: readdir(3), fstatat(2),
/// listxattr(2).
///
/// It scans twice: a first pass counts and numbers the hard links, which no single pass could, and
/// the second, beside it, waits for the first at the first hard link only.
public final class FileSystemSource: BackupSource {
    private let root: FileSystemDirectory
    private let scan = Locked<Scan?>(nil)
    private let hardLinks = Locked<ScanHardLinks?>(nil)

    init(root: FileSystemDirectory) {
        self.root = root
    }

    /// - Parameter path: a directory, which must not be a symlink.
    /// - Throws: `PlatformError` where it cannot be opened.
    public init(path: String) throws {
        root = try FileSystemDirectory(path: path)
    }

    /// See `BackupSource`.
    public var scansAtOnce: Int { 1 }

    /// See `BackupSource`.
    public func rootNode() throws -> Node {
        try Scan.rootNode(root, name: Array(Backup.rootName.utf8))
    }

    /// See `BackupSource`.
    public func firstPlace() throws -> ScanPlace {
        let begun = try Scan(root: root)
        scan.withLock { $0 = begun }
        return ScanPlace(directory: Scan.root, inode: 0, path: [])
    }

    /// See `BackupSource`.
    public func scan(_ places: [ScanPlace]) throws -> ScanBatch {
        let links = hardLinks.withLock { $0 }
        let step = try scan.withLock { try $0?.next(hardLinks: links) }
        var batch = ScanBatch()
        guard let step else { return batch }
        batch.events = step.events
        switch step.end {
        case .complete: break
        case .goesOn: batch.places = places
        case .needsHardLinks:
            batch.places = places
            batch.needsCount = true
        }
        return batch
    }

    /// See `BackupSource`.
    public func count(isCancelled: @Sendable () -> Bool) throws -> ScanTotals {
        let census = try ScanCensus(root: root, isCancelled: isCancelled)
        hardLinks.withLock { $0 = census.hardLinks }
        var totals = ScanTotals()
        (totals.entries, totals.fileBytes) = (census.entries, census.fileBytes)
        return totals
    }

    /// See `BackupSource`.
    public func open(_ file: ScanFile) throws -> Descriptor {
        guard case .entry(let directory, let name, _) = file.place else {
            preconditionFailure("a file of this source is reached by its name")
        }
        return try directory.file(name)
    }

    /// See `BackupSource`.
    public func contents(of files: [ScanFile]) throws -> [Result<[UInt8], any Error>] {
        files.map { file in Result { try BackupFileReader.content(of: file, try open(file)) } }
    }
}
