import Btrfs
import Glibc
import Platform
import Repository
import Shared

/// Reads a read-only snapshot by its metadata as btrfs keeps it (tree search): entries with
/// everything about them in one call for many, small contents that lie with them too, and other
/// files by their inode numbers, in the order of which they lie on the disk.
struct SnapshotSource: BackupSource {
    /// How many entries make a piece of a scan.
    private static let entriesPerScan = 512
    /// So many bytes of contents are kept from the scan of a directory for when their turn comes.
    private static let contentBytes = 1 << 20
    /// How many directories may be inside each other, as for every backup.
    private static let depthLimit = 4_096

    private let snapshot: String
    private let root: EntryReader
    private let readers = Locked<[LentReader]>([])
    private let groups = Locked(HardLinkGroups())

    /// Opens a snapshot; nil where it cannot be read this way: without the right to search trees
    /// or to open files by their numbers, or where a security module adds attributes of its own.
    ///
    /// - Parameter snapshot: the root of a read-only snapshot.
    /// - Throws: `PlatformError` where there is none.
    init?(_ snapshot: String) throws {
        for place in ["/sys/fs/selinux/enforce", "/sys/fs/smackfs/load2"] {
            if unsafe access(place, F_OK) == 0 { return nil }
        }
        self.snapshot = snapshot
        root = try EntryReader(path: snapshot)
        do {
            let info = try Subvolume(at: snapshot).info()
            let reader = try SnapshotReader(path: snapshot)
            guard info.isReadOnly,
                let top = try reader.details(of: [SnapshotReader.rootInode]).first
            else { return nil }
            _ = try reader.open(
                inode: top.number, generation: top.generation, flags: O_DIRECTORY)
            let lent = LentReader(reader)
            readers.withLock { $0 = [lent] }
        } catch is BtrfsError {
            return nil
        } catch is PlatformError {
            return nil
        }
    }

    /// The quickest source of a read-only snapshot.
    static func best(of snapshot: String) throws -> any BackupSource {
        try SnapshotSource(snapshot) ?? FileSystemSource(path: snapshot)
    }

    var scansAtOnce: Int { 2 }

    func rootNode() throws -> Node { try root.rootNode() }

    func firstPlace() throws -> ScanPlace {
        ScanPlace(directory: 0, inode: SnapshotReader.rootInode, path: [])
    }

    func scan(_ places: [ScanPlace]) throws -> ScanBatch {
        try withReader { reader in
            var batch = ScanBatch()
            for (position, place) in places.enumerated() {
                if batch.events.count >= Self.entriesPerScan {
                    batch.places += places[position...]
                    break
                }
                try scan(place, reader, &batch)
            }
            return batch
        }
    }

    func count(isCancelled: @Sendable () -> Bool) throws -> ScanTotals {
        try withReader { reader in
            var totals = ScanTotals()
            try reader.countFiles { links, sizeBytes in
                totals.entries += links
                totals.fileBytes += links * sizeBytes
                return !isCancelled()
            }
            return totals
        }
    }

    func open(_ file: ScanFile) throws -> Descriptor {
        try withReader { try Self.open(file, $0) }
    }

    func contents(of files: [ScanFile]) throws -> [Result<[UInt8], any Error>] {
        try withReader { reader in
            // All are asked for before the first is waited for.
            let opened = files.map { $0.isInline ? nil : OpenFile($0, reader) }
            let inline = try reader.inlineContents(
                of: files.filter { $0.isInline && $0.content == nil }.map(\.inode))
            var next = 0
            return zip(files, opened).map { file, open in
                if let content = file.content { return .success(content) }
                if let open { return open.content(of: file) }
                defer { next += 1 }
                return inline[next].map { .success($0) }
                    ?? OpenFile(file, reader).content(of: file)
            }
        }
    }

    fileprivate static func open(_ file: ScanFile, _ reader: SnapshotReader) throws -> Descriptor {
        guard let generation = file.generation else {
            preconditionFailure("a file of a snapshot is reached by its number")
        }
        // O_NOATIME; Glibc does not import it.
        return try reader.open(
            inode: file.inode, generation: generation, flags: O_NONBLOCK | 0o1_000_000)
    }

    /// A reader of one's own while `body` runs.
    private func withReader<Answer: ~Copyable>(
        _ body: (SnapshotReader) throws -> Answer
    ) throws -> Answer {
        let lent =
            try readers.withLock { $0.popLast() } ?? LentReader(SnapshotReader(path: snapshot))
        defer { readers.withLock { $0.append(lent) } }
        return try body(lent.reader)
    }

    // MARK: One directory

    private func scan(
        _ place: ScanPlace, _ reader: SnapshotReader, _ batch: inout ScanBatch
    ) throws {
        let entries = try reader.entries(of: place.inode)
        let inodes = Set(entries.compactMap(\.location.inode)).sorted()
        let details = try reader.details(of: inodes, contentBytes: Self.contentBytes)
        let positions = Dictionary(
            uniqueKeysWithValues: details.enumerated().map { ($1.number, $0) })
        var below: [ScanPlace] = []
        for entry in entries {
            let path = { Self.path(place.path, entry.name) }
            guard let inode = entry.location.inode else {
                batch.events.append(
                    .nested(
                        directory: place.directory, node: EntryReader.nestedNode(name: entry.name),
                        path: path()))
                continue
            }
            do {
                guard let position = positions[inode] else {
                    throw Failure(
                        code: "entry-lost", message: "inode \(inode) is not there",
                        hint: "check the file system")
                }
                let node = try node(of: entry.name, details[position], reader)
                try Self.checkDepth(of: node, in: place)
                append(node, details[position], place, path, to: &batch, &below)
            } catch {
                batch.events.append(.failed(path: path(), message: "\(error)"))
            }
        }
        batch.events.append(.leave(directory: place.directory))
        // The lowest inode number first, for the order on the disk.
        batch.places = below.sorted { $0.inode < $1.inode } + batch.places
    }

    private func append(
        _ node: Node, _ details: SnapshotDetails, _ place: ScanPlace, _ path: () -> [UInt8],
        to batch: inout ScanBatch, _ below: inout [ScanPlace]
    ) {
        switch node.kind {
        case .socket: batch.events.append(.socket(path: path()))
        case .directory:
            let directory = Int(truncatingIfNeeded: details.number)
            batch.events.append(.enter(directory: directory, parent: place.directory, node: node))
            below.append(ScanPlace(directory: directory, inode: details.number, path: path()))
        case .file where details.sizeBytes > 0:
            batch.events.append(
                .file(
                    directory: place.directory, node: node,
                    source: ScanFile(
                        inode: details.number, generation: details.generation,
                        sizeBytes: details.sizeBytes, isInline: details.isInline,
                        content: details.content)))
        case .file, .symlink, .blockDevice, .characterDevice, .fifo:
            batch.events.append(.entry(directory: place.directory, node: node))
        }
    }

    private func node(
        of name: [UInt8], _ details: SnapshotDetails, _ reader: SnapshotReader
    ) throws -> Node {
        let status = FileSystemStatus(
            inode: details.number, mode: details.mode, links: UInt64(details.links),
            uid: details.uid, gid: details.gid, sizeBytes: details.sizeBytes,
            modified: NodeTime(
                seconds: details.modifiedSeconds, nanoseconds: details.modifiedNanoseconds),
            specialDevice: details.specialDevice)
        let isLinked = details.links > 1 && status.kind != .directory
        return try Node(
            name: name, status: status,
            attributes: details.attributes.map {
                Node.ExtendedAttribute(name: $0.name, value: $0.value)
            },
            linkTarget: status.kind == .symlink ? details.linkTarget : [],
            links: isLinked
                ? try groups.withLock { try $0.links(of: details.number, reader) } : nil)
    }

    private static func checkDepth(of node: Node, in place: ScanPlace) throws {
        guard node.kind == .directory, place.path.count >= 2 * depthLimit - 3,
            place.path.count(where: { $0 == UInt8(ascii: "/") }) >= depthLimit - 2
        else { return }
        throw Failure(
            code: "too-deep",
            message: "more than \(depthLimit) directories inside each other",
            hint: "move the directory up")
    }

    static func path(_ directory: [UInt8], _ name: [UInt8]) -> [UInt8] {
        directory.isEmpty ? name : directory + [UInt8(ascii: "/")] + name
    }
}

/// A small file whose bytes the kernel has been asked for, or why it cannot be opened.
private final class OpenFile {
    private let opened: Result<Opened, any Error>

    private final class Opened {
        let descriptor: Descriptor

        init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor }
    }

    init(_ file: ScanFile, _ reader: SnapshotReader) {
        opened = Result {
            let opened = Opened(try SnapshotSource.open(file, reader))
            // What it answers does not matter: the bytes are read in any case.
            opened.descriptor.withNumber {
                _ = posix_fadvise($0, 0, Int(file.sizeBytes), POSIX_FADV_WILLNEED)
            }
            return opened
        }
    }

    func content(of file: ScanFile) -> Result<[UInt8], any Error> {
        Result { try file.content(try opened.get().descriptor) }
    }
}

private final class LentReader: @unchecked Sendable {
    // Sendable because whoever takes it off the list has it alone until it is put back.
    let reader: SnapshotReader

    init(_ reader: SnapshotReader) { self.reader = reader }
}

/// The groups of hard links that a scan has met, by inode number.
private struct HardLinkGroups {
    private static let depthLimit = 4_096
    /// Paths of directories that are remembered.
    private static let pathLimit = 4_096

    private var groups: [UInt64: EntryReader.Links?] = [:]
    private var taken: Set<UInt64> = []
    private var paths: [UInt64: [UInt8]] = [SnapshotReader.rootInode: []]

    /// What the nodes of a file with several names tell.
    mutating func links(of inode: UInt64, _ reader: SnapshotReader) throws -> EntryReader.Links? {
        if let known = groups[inode] { return known }
        let names = try reader.inode(inode)?.names ?? []
        let found = EntryReader.Links(
            paths: try names.map {
                SnapshotSource.path(try path(of: $0.directory, reader), $0.name)
            })
        if let found, !taken.insert(found.canonicalInode).inserted {
            throw Failure(
                code: "hard-links", message: "two groups of hard links get the same number",
                hint: "rename one of the names of inode \(inode)")
        }
        groups[inode] = found
        return found
    }

    private mutating func path(of directory: UInt64, _ reader: SnapshotReader) throws -> [UInt8] {
        var names: [[UInt8]] = []
        var above = directory
        while paths[above] == nil {
            guard let name = try reader.inode(above)?.names.first, names.count < Self.depthLimit
            else {
                throw Failure(
                    code: "entry-lost", message: "directory \(above) is not below the root",
                    hint: "check the file system")
            }
            names.append(name.name)
            above = name.directory
        }
        let path = names.reversed().reduce(paths[above] ?? []) { SnapshotSource.path($0, $1) }
        if paths.count > Self.pathLimit { paths = [SnapshotReader.rootInode: []] }
        paths[directory] = path
        return path
    }
}

extension SnapshotEntry.Location {
    /// The inode of the same subvolume that it leads to.
    var inode: UInt64? {
        switch self {
        case .inode(let number): number
        case .subvolume: nil
        }
    }
}
