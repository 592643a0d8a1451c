/// What a restore wrote.
public struct RestoreSummary: Sendable, Hashable {
    /// Files, each hard link counted.
    public internal(set) var files: Int64 = 0
    /// Directories below the target.
    public internal(set) var directories: Int64 = 0
    /// Symlinks, device nodes and FIFOs.
    public internal(set) var others: Int64 = 0
    /// Total length of all files, each hard link counted.
    public internal(set) var bytes: Int64 = 0
    /// Device nodes that the policy left out, and sockets.
    public internal(set) var leftOut: Int64 = 0
    /// The root tree's id, computed from what was written; nil where that was not asked for.
    public internal(set) var rootTree: BlobID?
}
