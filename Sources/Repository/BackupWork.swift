/// A piece of work that a backup's plan hands out.
enum BackupWork: Sendable {
    /// Small files, read and stored together.
    case files([BackupFile])
    /// One file that is read as a stream.
    case largeFile(BackupFile)
    /// Complete directories.
    case trees([BackupTree])
}

/// A file to be read.
struct BackupFile: Sendable {
    let slot: BackupSlot
    let source: ScanFile
}

/// A directory whose entries are all complete.
struct BackupTree: Sendable {
    let directory: Int
    let nodes: [Node]
}

/// Where a node is: the directory's number and the place among its entries.
struct BackupSlot: Sendable, Hashable {
    let directory: Int
    let index: Int
}

/// What became of a piece of work.
enum BackupResult: Sendable {
    case files([(file: BackupFile, content: BackupContent)])
    case trees([(directory: Int, tree: BlobID)])
}

/// A file's chunks, or why it could not be read.
enum BackupContent: Sendable {
    case chunks([BlobID])
    case failed(String)
}
