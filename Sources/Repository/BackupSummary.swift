/// What a backup found and wrote.
public struct BackupSummary: Sendable, Hashable {
    /// Something that is not in the backup as it is in the directory.
    public struct Issue: Sendable, Hashable {
        /// The raw path from the root, without a leading slash.
        public let path: [UInt8]
        /// Why.
        public let message: String

        /// Makes an issue.
        public init(path: [UInt8], message: String) {
            self.path = path
            self.message = message
        }
    }

    /// So many issues are listed by name; `issueCount` counts all of them.
    public static let issueLimit = 1_000

    /// The id of the root tree, whose one node is the directory `project`.
    public internal(set) var rootTree: BlobID
    /// Files, each hard link counted.
    public internal(set) var files: Int64 = 0
    /// Directories below the root.
    public internal(set) var directories: Int64 = 0
    /// Symlinks, device nodes and FIFOs.
    public internal(set) var others: Int64 = 0
    /// Sockets, which no backup holds; they are not an issue.
    public internal(set) var skippedSockets: Int64 = 0
    /// Total length of all files, each hard link counted.
    public internal(set) var bytes: Int64 = 0
    /// What could not be read: the backup is partial where there is any.
    public internal(set) var issues: [Issue] = []
    /// How many issues there are, listed or not.
    public internal(set) var issueCount: Int64 = 0
    /// Raw paths of subvolumes and mount points inside, whose content is not in the backup.
    public internal(set) var nestedSubvolumes: [[UInt8]] = []

    /// Whether the backup holds everything that the directory holds.
    public var isComplete: Bool { issueCount == 0 && nestedSubvolumes.isEmpty }

    mutating func add(_ issue: Issue) {
        issueCount += 1
        if issues.count < BackupSummary.issueLimit { issues.append(issue) }
    }
}
