import Repository
import Shared

/// Which base a cache is of.
struct BaseHeader: Sendable, Codable, Equatable {
    /// The backup that the base is behind.
    var backup: BackupID
    /// Its root tree: 64 hexadecimal digits.
    var rootTree: String
    /// The snapshot that holds the same state on this host, and when it was taken.
    var snapshot: String
    var transid: UInt64
    /// Files, each hard link counted, and their length.
    var files: Int64
    var bytes: Int64
}

/// What is kept of one directory of a base.
struct BaseDirectory: Sendable, Hashable {
    /// Of the volume's own directory.
    static let rootInode: UInt64 = 256

    let inode: UInt64
    let generation: UInt64
    let tree: SealedTree
    /// Whether another subvolume is an entry of it.
    let holdsSubvolume: Bool
}

/// What a backup changes about what is kept of the base.
struct BaseChanges: Sendable {
    var removed: Set<UInt64> = []
    var directories: [BaseDirectory] = []
    /// For blobs of files, a directory with a file that has it.
    var holders: [BlobID: UInt64] = [:]
    /// The lengths of chunks of files with several.
    var lengths: [BlobID: Int64] = [:]
    /// The canonical number of each file with several names; nil where it has them no more.
    var links: [UInt64: UInt64?] = [:]
}
