public import Platform

/// What the scan of a tree tells: directories by numbers of their own, the entries of each
/// ascending by their names.
public enum ScanEvent: Sendable {
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
public struct ScanFile: Sendable {
    /// How it is reached.
    enum Place: Sendable {
        case entry(of: FileSystemDirectory, name: [UInt8], device: UInt64)
        case inode(generation: UInt64)
    }

    let place: Place
    /// Its inode.
    public let inode: UInt64
    /// How long it is.
    public let sizeBytes: Int64
    /// Whether its content lies with the metadata.
    public let isInline: Bool
    /// That content, where the scan has come by it.
    public let content: [UInt8]?

    init(_ entry: FileSystemWalk.Entry) {
        place = .entry(of: entry.parent, name: entry.name, device: entry.status.device)
        inode = entry.status.inode
        sizeBytes = entry.status.sizeBytes
        isInline = false
        content = nil
    }

    /// A file of a snapshot, reached by its number.
    public init(
        inode: UInt64, generation: UInt64, sizeBytes: Int64, isInline: Bool, content: [UInt8]?
    ) {
        place = .inode(generation: generation)
        self.inode = inode
        self.sizeBytes = sizeBytes
        self.isInline = isInline
        self.content = content
    }

    /// The whole content, from the open file, which must be the one that was scanned.
    ///
    /// - Throws: `RepositoryError` where it is another or has changed; `PlatformError`.
    public func content(_ open: borrowing Descriptor) throws -> [UInt8] {
        try BackupFileReader.content(of: self, open)
    }

    /// The generation of an inode that is reached by its number.
    public var generation: UInt64? {
        switch place {
        case .entry: nil
        case .inode(let generation): generation
        }
    }
}
