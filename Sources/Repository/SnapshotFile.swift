/// A file in `snapshots/`: one backup (restic design, "Snapshots").
///
/// What Berth itself wants to keep goes into `tags`: stock `restic tag` drops fields that it does
/// not know.
public struct SnapshotFile: Codable, Sendable, Equatable {
    /// When the backed-up state existed.
    public var time: NodeTime
    /// The backup that this one continued.
    public var parent: BlobID?
    /// The root tree.
    public var tree: BlobID
    /// What was backed up; the same for all backups of a project, so that restic groups them.
    public var paths: [String]
    /// Whose files; restic groups by it.
    public var hostname: String?
    /// A user's name.
    public var username: String?
    /// That user's number.
    public var uid: UInt32?
    /// That user's group.
    public var gid: UInt32?
    /// Patterns that were left out.
    public var excludes: [String]?
    /// Labels; Berth's own are `key:value`.
    public var tags: [String]?
    /// The snapshot file that this one was rewritten from.
    public var original: BlobID?
    /// The program that wrote it.
    public var programVersion: String?
    /// What the run did.
    public var summary: Summary?

    /// What a backup run did (restic 0.17 and later).
    public struct Summary: Codable, Sendable, Equatable {
        /// When it began.
        public var backupStart: NodeTime
        /// When it ended.
        public var backupEnd: NodeTime
        /// Files that the parent does not have.
        public var filesNew: Int64 = 0
        /// Files that differ from the parent.
        public var filesChanged: Int64 = 0
        /// Files as in the parent.
        public var filesUnmodified: Int64 = 0
        /// Directories that the parent does not have.
        public var dirsNew: Int64 = 0
        /// Directories that differ from the parent.
        public var dirsChanged: Int64 = 0
        /// Directories as in the parent.
        public var dirsUnmodified: Int64 = 0
        /// New blobs of files.
        public var dataBlobs: Int64 = 0
        /// New blobs of directories.
        public var treeBlobs: Int64 = 0
        /// Bytes of the plaintexts of all new blobs.
        public var dataAdded: Int64 = 0
        /// Bytes of all new blobs as stored.
        public var dataAddedPacked: Int64 = 0
        /// All files.
        public var totalFilesProcessed: Int64 = 0
        /// Bytes of all files.
        public var totalBytesProcessed: Int64 = 0

        /// A summary of nothing; set what is known.
        public init(backupStart: NodeTime, backupEnd: NodeTime) {
            self.backupStart = backupStart
            self.backupEnd = backupEnd
        }

        enum CodingKeys: String, CodingKey {
            case backupStart = "backup_start"
            case backupEnd = "backup_end"
            case filesNew = "files_new"
            case filesChanged = "files_changed"
            case filesUnmodified = "files_unmodified"
            case dirsNew = "dirs_new"
            case dirsChanged = "dirs_changed"
            case dirsUnmodified = "dirs_unmodified"
            case dataBlobs = "data_blobs"
            case treeBlobs = "tree_blobs"
            case dataAdded = "data_added"
            case dataAddedPacked = "data_added_packed"
            case totalFilesProcessed = "total_files_processed"
            case totalBytesProcessed = "total_bytes_processed"
        }
    }

    /// A snapshot file with what every one has; set the rest.
    public init(time: NodeTime, tree: BlobID, paths: [String], hostname: String?) {
        self.time = time
        self.tree = tree
        self.paths = paths
        self.hostname = hostname
    }

    enum CodingKeys: String, CodingKey {
        case time, parent, tree, paths, hostname, username, uid, gid, excludes, tags, original
        case programVersion = "program_version"
        case summary
    }
}
