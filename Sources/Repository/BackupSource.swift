public import Platform

/// Where a backup reads a tree from: how its entries are found and its files are read.
///
/// Two ways: `FileSystemSource` by the calls that any file system has, and, on a host, the metadata
/// of a btrfs snapshot as btrfs keeps it. Both tell the same events, so that the root tree is the
/// same. All calls block, and are made from several threads at once.
public protocol BackupSource: Sendable {
    /// How many calls of `scan` may run at once.
    var scansAtOnce: Int { get }

    /// The node that stands for the root, without its subtree.
    func rootNode() throws -> Node

    /// Where a scan begins.
    func firstPlace() throws -> ScanPlace

    /// Tells what is at some places, all of it or as much as makes a piece of work.
    ///
    /// - Throws: where the scan cannot go on; an entry that cannot be read is an event.
    func scan(_ places: [ScanPlace]) throws -> ScanBatch

    /// Counts what there is, beside the scan.
    func count(isCancelled: @Sendable () -> Bool) throws -> ScanTotals

    /// Opens a file that a scan has told of; the caller checks that it is the same one.
    func open(_ file: ScanFile) throws -> Descriptor

    /// The whole contents of small files, each or why it could not be read.
    ///
    /// - Parameter files: ascending by inode.
    func contents(of files: [ScanFile]) throws -> [Result<[UInt8], any Error>]
}

/// Something that is still to be scanned.
public struct ScanPlace: Sendable {
    /// The directory's number in events.
    public let directory: Int
    /// Its inode.
    public let inode: UInt64
    /// Its raw path from the root, without a leading slash; empty for the root.
    public let path: [UInt8]

    /// Makes a place.
    public init(directory: Int, inode: UInt64, path: [UInt8]) {
        self.directory = directory
        self.inode = inode
        self.path = path
    }
}

/// A part of what there is to tell.
public struct ScanBatch: Sendable {
    /// In an order in which a directory is entered before anything in it is told.
    public var events: [ScanEvent] = []
    /// Where it goes on.
    public var places: [ScanPlace] = []
    /// Whether `places` wait until everything has been counted.
    public var needsCount = false

    /// Nothing.
    public init() {}
}

/// How much there is.
public struct ScanTotals: Sendable {
    /// Entries, directories left aside.
    public var entries: Int64 = 0
    /// Length of all files.
    public var fileBytes: Int64 = 0

    /// Nothing.
    public init() {}
}
