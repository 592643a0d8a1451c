/// What the scan of a tree tells, in order: directories by numbers of their own, entries in the
/// order of their names.
enum ScanEvent: Sendable {
    /// A directory begins; its node, without subtree, is the next entry of `parent`.
    case enter(directory: Int, parent: Int, node: Node)
    /// All entries of a directory have been told.
    case leave(directory: Int)
    /// An entry that is complete as it is.
    case entry(directory: Int, node: Node)
    /// A file whose content is to be read.
    case file(directory: Int, node: Node, source: ScanFile)
    /// A directory that is another subvolume or file system: its node stands for an empty one.
    case nested(directory: Int, node: Node, path: [UInt8])
    /// A socket, which no backup holds.
    case socket(path: [UInt8])
    /// An entry that is left out, because it cannot be read or written down.
    case failed(path: [UInt8], message: String)

    /// Whether it tells of an entry, not a directory, that needs no more work.
    var isCompleteEntry: Bool {
        switch self {
        case .entry, .socket, .failed: true
        case .enter, .leave, .file, .nested: false
        }
    }
}

/// Where a file's content is read from, and what the file must still be then.
struct ScanFile: Sendable {
    let parent: FileSystemDirectory
    let name: [UInt8]
    let device: UInt64
    let inode: UInt64
    let sizeBytes: Int64
}
