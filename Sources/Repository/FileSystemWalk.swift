import Glibc

/// Walks a directory tree by descriptors, depth first, each directory's names ascending by raw
/// bytes; follows no symlink and enters no other file system or btrfs subvolume.
///
/// The way down is a stack of its own, at most `depthLimit` deep, of which only the newest
/// directories stay open, so that neither the thread's stack nor the descriptors run out.
struct FileSystemWalk: Sendable {
    /// An entry of a directory.
    struct Entry: Sendable {
        let name: [UInt8]
        let status: FileSystemStatus
        let parent: FileSystemDirectory
    }

    /// What comes next.
    enum Step: Sendable {
        /// A directory was entered; steps of its entries follow, then `leave`.
        case enter(Entry)
        /// The directory entered last that has not been left is complete.
        case leave
        /// Anything but a directory.
        case entry(Entry)
        /// A directory of another file system or subvolume, which is not entered.
        case nested(Entry)
        /// An entry that could not be looked at; it is left out.
        case failed(name: [UInt8], any Error)
    }

    /// How many directories may be inside each other.
    static let depthLimit = 4_096
    /// How many directories on the way down stay open.
    private static let openLimit = 64
    private static let btrfsKind = 0x9123_683E

    private struct Level: Sendable {
        let name: [UInt8]
        let status: FileSystemStatus
        /// nil while too many are open below it.
        var directory: FileSystemDirectory?
        let names: [[UInt8]]
        var next = 0
    }

    private var levels: [Level]
    private let isBtrfs: Bool
    private let device: UInt64

    /// Begins at a directory, which is not itself a step.
    ///
    /// - Throws: `PlatformError` where the directory cannot be read.
    init(root: FileSystemDirectory) throws {
        let status = try root.status()
        device = status.device
        isBtrfs = try root.fileSystemKind() == FileSystemWalk.btrfsKind
        levels = [Level(name: [], status: status, directory: root, names: try root.names())]
    }

    /// The next step, or nil when the whole tree has been walked.
    ///
    /// - Throws: `RepositoryError` where a directory on the way down cannot be opened again.
    mutating func next() throws -> Step? {
        let top = levels.count - 1
        guard top >= 0 else { return nil }
        guard levels[top].next < levels[top].names.count else { return try leave() }
        let name = levels[top].names[levels[top].next]
        levels[top].next += 1
        guard let parent = levels[top].directory else {
            preconditionFailure("the directory being listed is open")
        }
        do {
            let status = try parent.status(of: name)
            let entry = Entry(name: name, status: status, parent: parent)
            guard status.kind == .directory else { return .entry(entry) }
            if isNested(status) { return .nested(entry) }
            try enter(entry)
            return .enter(entry)
        } catch {
            return .failed(name: name, error)
        }
    }

    /// The path of a name in the directory entered last that has not been left, from the root,
    /// without a leading slash.
    func path(of name: [UInt8]) -> [UInt8] {
        var path: [UInt8] = []
        for level in levels.dropFirst() {
            path += level.name
            path.append(UInt8(ascii: "/"))
        }
        return path + name
    }

    private mutating func enter(_ entry: Entry) throws {
        guard levels.count < FileSystemWalk.depthLimit else {
            throw RepositoryError(
                code: .limitExceeded,
                message: "more than \(FileSystemWalk.depthLimit) directories inside each other")
        }
        let directory = try entry.parent.directory(entry.name)
        let names = try directory.names()
        levels.append(
            Level(name: entry.name, status: entry.status, directory: directory, names: names))
        let surplus = levels.count - 1 - FileSystemWalk.openLimit
        if surplus >= 0 { levels[surplus].directory = nil }
    }

    private mutating func leave() throws -> Step? {
        let left = levels.removeLast()
        guard let above = levels.last else { return nil }
        if above.directory == nil, let below = left.directory {
            let directory = try below.parent()
            let status = try directory.status()
            guard status.inode == above.status.inode, status.device == above.status.device else {
                throw RepositoryError(
                    code: .fileSystem(
                        path: String(decoding: path(of: []), as: UTF8.self)),
                    message: "a directory was moved while it was being read")
            }
            levels[levels.count - 1].directory = directory
        }
        return .leave
    }

    /// btrfs shows a subvolume's root as inode 256, and in a snapshot, which holds no subvolumes,
    /// an empty directory with inode 2 in its place.
    private func isNested(_ status: FileSystemStatus) -> Bool {
        status.device != device || (isBtrfs && (status.inode == 256 || status.inode == 2))
    }
}
