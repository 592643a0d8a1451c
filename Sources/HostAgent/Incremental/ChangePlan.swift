import Btrfs
import Repository

/// What follows from the inodes that changed: which directories' trees are to be made anew, and
/// where they are.
struct ChangePlan: Sendable {
    /// How deep directories may be inside each other, as for a whole backup.
    private static let depthLimit = 4_000

    /// What changed, by inode number.
    let changes: [UInt64: SnapshotChange]
    /// The directories whose trees are made anew, deepest first; empty where nothing is.
    private(set) var directories: [UInt64] = []
    /// The names from the root of each directory that matters.
    private(set) var paths: [UInt64: [[UInt8]]] = [SnapshotReader.rootInode: []]
    /// The generation of each of them.
    private(set) var generations: [UInt64: UInt64] = [:]
    /// Files with several names whose node is made anew.
    private(set) var links: [UInt64: EntryReader.Links] = [:]
    /// What changes in the table of files with several names.
    private(set) var linkChanges: [UInt64: UInt64?] = [:]
    private var dirty: Set<UInt64> = []

    /// Whether directories were moved, which may give files with several names another number.
    static func movesDirectories(_ changes: [SnapshotChange]) -> Bool {
        changes.contains { change in
            guard let base = change.base, let now = change.now else { return false }
            return now.isDirectory && base.isDirectory && Set(base.names) != Set(now.names)
        }
    }

    /// - Parameters:
    ///   - difference: ascending by inode.
    ///   - knownLinks: the files with several names, by inode, where directories were moved.
    ///   - now: the newer snapshot.
    /// - Throws: `FullScanReason`, `BtrfsError`.
    init(
        _ difference: [SnapshotChange], knownLinks: [UInt64: UInt64], now: SnapshotReader
    ) throws {
        changes = Dictionary(uniqueKeysWithValues: difference.map { ($0.inode, $0) })
        if let root = changes[SnapshotReader.rootInode],
            root.base?.generation != root.now?.generation
        {
            // What is kept of the base is found by what its directories held, and none is the same.
            throw FullScanReason("another-root", "the volume is another subvolume than the base's")
        }
        for change in difference {
            guard let inode = change.now else { continue }
            let isReachable = !inode.names.isEmpty || inode.number == SnapshotReader.rootInode
            if inode.isDirectory, isReachable, change.hasOtherEntries || isNew(change) {
                dirty.insert(inode.number)
            }
            if inode.number != SnapshotReader.rootInode {
                dirty.formUnion(inode.names.map(\.directory))
            }
        }
        for change in difference { try number(change.base, change.now, now) }
        for (number, canonical) in knownLinks where changes[number] == nil {
            guard let inode = try now.inode(number) else {
                linkChanges.updateValue(nil, forKey: number)
                continue
            }
            let group = try linksOf(inode, now)
            guard group?.canonicalInode != canonical else { continue }
            links[number] = group
            linkChanges.updateValue(group?.canonicalInode, forKey: number)
            dirty.formUnion(inode.names.map(\.directory))
        }
        generations[SnapshotReader.rootInode] =
            try now.inode(SnapshotReader.rootInode)?.generation
        for directory in dirty { _ = try path(of: directory, now, isDirty: true) }
        directories = dirty.sorted {
            ((paths[$0]?.count ?? 0), $0) > ((paths[$1]?.count ?? 0), $1)
        }
    }

    /// Whether a directory of the base has another inode now, or none.
    private func isNew(_ change: SnapshotChange) -> Bool {
        change.base?.isDirectory != true || change.base?.generation != change.now?.generation
    }

    /// Numbers a changed file that has, or had, several names.
    private mutating func number(
        _ base: SnapshotInode?, _ inode: SnapshotInode?, _ now: SnapshotReader
    ) throws {
        guard let number = inode?.number ?? base?.number else { return }
        let group = try inode.flatMap { try linksOf($0, now) }
        if let group {
            links[number] = group
            linkChanges.updateValue(group.canonicalInode, forKey: number)
        } else if (base?.names.count ?? 0) > 1 {
            linkChanges.updateValue(nil, forKey: number)
        }
    }

    private mutating func linksOf(
        _ inode: SnapshotInode, _ now: SnapshotReader
    ) throws -> EntryReader.Links? {
        guard !inode.isDirectory, inode.names.count > 1 else { return nil }
        return EntryReader.Links(
            paths: try inode.names.map { name in
                [UInt8](
                    (try path(of: name.directory, now, isDirty: false) + [name.name])
                        .joined(separator: [UInt8(ascii: "/")]))
            })
    }

    /// The way from the root to a directory; where it is dirty, all above it are, too.
    private mutating func path(
        of directory: UInt64, _ now: SnapshotReader, isDirty: Bool
    ) throws -> [[UInt8]] {
        var unknown: [(number: UInt64, name: [UInt8])] = []
        var above = directory
        while isDirty || paths[above] == nil, above != SnapshotReader.rootInode {
            if isDirty { dirty.insert(above) }
            let inode = try changes[above].map(\.now) ?? now.inode(above)
            guard let inode, inode.isDirectory, let name = inode.names.first,
                unknown.count < Self.depthLimit
            else {
                throw FullScanReason(
                    "unreachable-directory", "inode \(above) is not below the root")
            }
            generations[above] = inode.generation
            unknown.append((above, name.name))
            above = name.directory
        }
        if isDirty { dirty.insert(SnapshotReader.rootInode) }
        var path = paths[above] ?? []
        for (number, name) in unknown.reversed() {
            path.append(name)
            paths[number] = path
        }
        return path
    }
}
