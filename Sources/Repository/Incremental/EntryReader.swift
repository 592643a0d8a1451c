import Glibc
public import Platform

/// Reads single entries of a read-only snapshot as the canonical nodes that a whole `Backup` makes
/// of them, for a backup that visits only what changed.
///
/// It blocks, follows no symlink, and may be used from any thread.
public struct EntryReader: Sendable {
    /// The names of one file with several of them, as a node tells of them.
    public struct Links: Sendable, Hashable {
        /// How many names the tree holds.
        public let count: UInt64
        /// The number that canonical nodes of the group carry.
        public let canonicalInode: UInt64

        init(count: UInt64, canonicalInode: UInt64) {
            self.count = count
            self.canonicalInode = canonicalInode
        }

        /// - Parameter paths: all paths of the file from the root, without leading slashes; nil is
        ///   returned where there is only one.
        public init?(paths: [[UInt8]]) {
            guard paths.count > 1,
                let least = paths.min(by: { $0.lexicographicallyPrecedes($1) })
            else { return nil }
            count = UInt64(paths.count)
            canonicalInode = ScanHardLinks.canonicalInode(leastPath: least)
        }
    }

    /// A directory that is open for reading its entries.
    public struct Directory: Sendable {
        fileprivate let open: FileSystemDirectory

        /// Opens a file in it for reading.
        ///
        /// - Throws: `PlatformError`.
        public func file(_ name: [UInt8]) throws -> Descriptor { try open.file(name) }
    }

    private let root: FileSystemDirectory

    /// - Parameter path: the root of a snapshot.
    /// - Throws: `PlatformError` where it cannot be opened.
    public init(path: String) throws {
        root = try FileSystemDirectory(path: path)
    }

    /// The node that stands for the root itself, without its subtree.
    ///
    /// - Throws: `PlatformError`; `RepositoryError` where the format cannot hold it.
    public func rootNode() throws -> Node {
        try Scan.rootNode(root, name: Array(Backup.rootName.utf8))
    }

    /// Opens the directory at a path, given as its names from the root.
    ///
    /// - Throws: `PlatformError`.
    public func directory(_ names: [[UInt8]]) throws -> Directory {
        var directory = root
        for name in names { directory = try directory.directory(name) }
        return Directory(open: directory)
    }

    /// The node of an entry, without a file's content and a directory's subtree; nil for a socket,
    /// which no backup holds.
    ///
    /// - Parameters:
    ///   - name: in `directory`.
    ///   - inode: which inode it must be.
    ///   - links: nil where the file has one name.
    /// - Throws: `PlatformError`; `RepositoryError` where the entry is another one or the format
    ///   cannot hold it.
    public func node(
        _ name: [UInt8], in directory: Directory, inode: UInt64, links: Links?
    ) throws -> Node? {
        let status = try directory.open.status(of: name)
        guard status.inode == inode else { throw BackupFileReader.changed }
        if status.kind == .socket { return nil }
        return try Node(
            name: name, status: status, attributes: try directory.open.attributes(of: name),
            linkTarget: status.kind == .symlink ? try directory.open.linkTarget(of: name) : [],
            links: status.kind == .directory ? nil : links)
    }

    /// The node that stands for a subvolume inside, whose content is not in the snapshot; its
    /// subtree is the empty tree.
    public static func nestedNode(name: [UInt8]) -> Node {
        var node = Scan.nestedNode(name: name)
        node.subtree = BlobID(hashing: TreeEncoder.encode([]))
        return node
    }
}
