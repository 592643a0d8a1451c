/// What a restore of a whole project would do, computed from the trees of two backups.
public struct RestorePlan: Sendable, Codable, Hashable {
    /// What happens to a path.
    public enum Change: String, Sendable, Codable, CaseIterable {
        case make, change, remove
    }

    /// One path.
    public struct Entry: Sendable, Codable, Hashable {
        public var change: Change
        /// Bytes that are not UTF-8 are shown as U+FFFD.
        public var path: String
        /// Length of a file.
        public var bytes: Int64

        public init(change: Change, path: String, bytes: Int64) {
            self.change = change
            self.path = path
            self.bytes = bytes
        }
    }

    public var backup: BackupID
    /// What the host would build on, by what it reported last; it looks again when it does it.
    public var origin: RestoreOrigin
    /// The backup behind that state; nil for `nothing`.
    public var former: BackupID?
    /// Entries that would be made, changed and removed; a directory that goes counts once.
    ///
    /// From nothing, only files are counted.
    public var made: Int64
    public var changed: Int64
    public var removed: Int64
    /// What would be fetched: bytes of sealed blobs; from nothing, the length of all files.
    public var fetchedBytes: Int64
    /// The first 1,000 of them, parents first; none from nothing.
    public var entries: [Entry]

    public init(
        backup: BackupID, origin: RestoreOrigin, former: BackupID?, made: Int64, changed: Int64,
        removed: Int64, fetchedBytes: Int64, entries: [Entry]
    ) {
        self.backup = backup
        self.origin = origin
        self.former = former
        self.made = made
        self.changed = changed
        self.removed = removed
        self.fetchedBytes = fetchedBytes
        self.entries = entries
    }
}
