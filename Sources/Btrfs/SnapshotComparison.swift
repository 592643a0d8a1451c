public import Platform

/// Finds the inodes that differ between two read-only snapshots, by their items alone: what the
/// items say is the same, is the same.
///
/// With the base's transaction as a lower bound btrfs visits only the leaves that were written
/// since, and each inode with an item in one of them is compared item by item. Where nothing says
/// that the two follow each other, all inodes of both are compared the same way.
///
/// An inode that is gone together with the whole leaf it was in shows only in its directory, whose
/// entries differ.
public struct SnapshotComparison: Sendable {
    /// How the candidates are found.
    public enum Method: Sendable, Hashable {
        /// By the leaves written since the base was taken.
        case sinceBase
        /// All inodes of both, in parallel.
        case everything
    }

    /// What was found.
    public struct Difference: Sendable {
        /// Ascending by number.
        public var changes: [SnapshotChange] = []
        /// How many inodes were compared.
        public var comparedInodes: Int64 = 0
    }

    /// Inode numbers compared in one piece.
    private static let windowInodes: UInt64 = 4096
    /// Candidates so close to each other are read in one search.
    private static let gapInodes: UInt64 = 32

    private let base: String
    private let now: String
    /// What the older snapshot is.
    public let baseInfo: SubvolumeInfo
    /// What the newer snapshot is.
    public let nowInfo: SubvolumeInfo
    private let guards: DetectionGuards

    /// - Parameters:
    ///   - base: the root of the older snapshot.
    ///   - now: the root of the newer one, of the same file system.
    /// - Throws: `BtrfsError` where one is no subvolume.
    public init(base: String, now: String, guards: DetectionGuards = .all) throws {
        self.base = base
        self.now = now
        self.guards = guards
        baseInfo = try Subvolume(at: base).info()
        nowInfo = try Subvolume(at: now).info()
    }

    /// When the base was taken.
    public var baseTransid: UInt64 { baseInfo.otransid }

    /// Why what is known of the base does not hold for what it is now; nil where it does.
    public var objectionToBase: String? {
        guard guards.contains(.pristineBase) else { return nil }
        if !baseInfo.isReadOnly { return "base-writable" }
        if baseInfo.ctransid > baseInfo.otransid { return "base-changed" }
        return nil
    }

    /// Why leaves written since the base do not show every change; nil where they do.
    ///
    /// - Parameter volume: the volume that both must be snapshots of.
    public func objectionToLineage(of volume: BtrfsUUID) -> String? {
        guard guards.contains(.lineage) else { return nil }
        if baseInfo.parentUUID != volume { return "base-of-another-volume" }
        if nowInfo.parentUUID != volume { return "snapshot-of-another-volume" }
        if nowInfo.otransid <= baseInfo.otransid { return "snapshot-before-base" }
        return nil
    }

    /// Why leaves written since the base do not show every change; nil where they do.
    ///
    /// - Parameter made: a writable snapshot of the base, of which the newer one must be a snapshot:
    ///   it began with the base's leaves, and each that it has written since is younger.
    public func objectionToLineage(through made: SubvolumeInfo) -> String? {
        guard guards.contains(.lineage) else { return nil }
        if made.parentUUID != baseInfo.uuid { return "base-of-another-volume" }
        if nowInfo.parentUUID != made.uuid { return "snapshot-of-another-volume" }
        if made.otransid < baseInfo.otransid { return "snapshot-before-base" }
        return nil
    }

    /// Compares; blocks.
    ///
    /// - Parameters:
    ///   - method: how the candidates are found.
    ///   - pool: where `everything` is compared in parallel, with so many threads as `width`.
    /// - Throws: `BtrfsError`, `CancellationError`.
    public func run(_ method: Method, pool: BlockingPool, width: Int = 4) async throws -> Difference
    {
        let ranges =
            switch method {
            case .sinceBase: try await pool.run { try candidates() }
            case .everything: try await pool.run { try everything(pieces: width * 4) }
            }
        guard width > 1, ranges.count > 1, method == .everything || ranges.count > 64 else {
            return try await pool.run { try compare(ranges[...]) }
        }
        let pieces = width * 4
        let size = (ranges.count + pieces - 1) / pieces
        return try await withThrowingTaskGroup(of: (Int, Difference).self) { group in
            var found: [Int: Difference] = [:]
            var starts = stride(from: 0, to: ranges.count, by: size).makeIterator()
            var running = 0
            while true {
                while running < width, let start = starts.next() {
                    running += 1
                    group.addTask {
                        let part = ranges[start..<min(start + size, ranges.count)]
                        return (start, try await pool.run { try compare(part) })
                    }
                }
                guard let (start, part) = try await group.next() else { break }
                running -= 1
                found[start] = part
            }
            var all = Difference()
            for start in found.keys.sorted() {
                all.changes += found[start]?.changes ?? []
                all.comparedInodes += found[start]?.comparedInodes ?? 0
            }
            return all
        }
    }

    /// Ranges of inodes that have an item in a leaf written since the base.
    private func candidates() throws -> [ClosedRange<UInt64>] {
        let search = try TreeSearch(path: now)
        let since = guards.contains(.boundary) ? baseInfo.otransid : baseInfo.generation
        var ranges: [ClosedRange<UInt64>] = []
        try unsafe search.forEach(
            from: TreeSearch.Key(inode: TreeSearch.inodes.lowerBound, type: 0, offset: 0),
            through: TreeSearch.Key(
                inode: TreeSearch.inodes.upperBound, type: .max, offset: .max),
            sinceTransid: since
        ) { key, content in
            guard unsafe isCandidate(key, content) else { return }
            if let last = ranges.last, key.inode <= last.upperBound { return }
            if let last = ranges.last, key.inode - last.upperBound <= Self.gapInodes,
                key.inode - last.lowerBound < Self.windowInodes
            {
                ranges[ranges.count - 1] = last.lowerBound...key.inode
            } else {
                ranges.append(key.inode...key.inode)
            }
        }
        return ranges
    }

    private func isCandidate(_ key: TreeSearch.Key, _ content: UnsafeRawBufferPointer) -> Bool {
        if guards.contains(.leaves) { return true }
        guard key.type == SnapshotItems.ItemType.inode, content.count >= 16 else { return false }
        return unsafe content.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
            >= baseInfo.otransid
    }

    /// The numbers of all inodes, in pieces.
    private func everything(pieces: Int) throws -> [ClosedRange<UInt64>] {
        let (old, new) = (try TreeSearch(path: base), try TreeSearch(path: now))
        let first = TreeSearch.inodes.lowerBound
        let last = max(try Self.lastInode(old), try Self.lastInode(new), first)
        let size = max((last - first) / UInt64(pieces) + 1, 1)
        return stride(from: first, through: last, by: Int(clamping: size)).map {
            $0...min($0 + (size - 1), last)
        }
    }

    /// The highest inode number, by halving.
    private static func lastInode(_ search: TreeSearch) throws -> UInt64 {
        var (low, high) = (TreeSearch.inodes.lowerBound, TreeSearch.inodes.upperBound)
        while low < high {
            let middle = low + (high - low) / 2 + 1
            if try nextInode(search, from: middle, through: high) != nil {
                low = middle
            } else {
                high = middle - 1
            }
        }
        return low
    }

    private static func nextInode(
        _ search: TreeSearch, from first: UInt64, through last: UInt64
    ) throws -> UInt64? {
        var found: UInt64?
        try unsafe search.forEach(
            from: TreeSearch.Key(inode: first, type: 0, offset: 0),
            through: TreeSearch.Key(inode: last, type: .max, offset: .max), limit: 1
        ) { key, _ in found = key.inode }
        return found
    }

    private func compare(_ ranges: ArraySlice<ClosedRange<UInt64>>) throws -> Difference {
        let (old, new) = (try TreeSearch(path: base), try TreeSearch(path: now))
        var difference = Difference()
        for range in ranges {
            var first = range.lowerBound
            while first <= range.upperBound {
                let last = min(first + (Self.windowInodes - 1), range.upperBound)
                let before = try SnapshotItems(of: first...last, from: old)
                let after = try SnapshotItems(of: first...last, from: new)
                Self.compare(before, after, to: &difference)
                guard last < range.upperBound else { break }
                first = last + 1
                guard before.keys.isEmpty, after.keys.isEmpty else { continue }
                // Inode numbers are never used again, so old volumes have long gaps.
                let next = [
                    try Self.nextInode(old, from: first, through: range.upperBound),
                    try Self.nextInode(new, from: first, through: range.upperBound),
                ].compactMap { $0 }.min()
                guard let next else { break }
                first = next
            }
        }
        return difference
    }

    private static func compare(
        _ before: SnapshotItems, _ after: SnapshotItems, to difference: inout Difference
    ) {
        var (old, new) = (0, 0)
        while old < before.keys.count || new < after.keys.count {
            let oldInode = old < before.keys.count ? before.keys[old].inode : .max
            let newInode = new < after.keys.count ? after.keys[new].inode : .max
            let inode = min(oldInode, newInode)
            let oldRange = old..<(oldInode == inode ? before.end(ofInodeAt: old) : old)
            let newRange = new..<(newInode == inode ? after.end(ofInodeAt: new) : new)
            (old, new) = (oldRange.upperBound, newRange.upperBound)
            difference.comparedInodes += 1
            let types = differingTypes(before, oldRange, after, newRange)
            guard !types.isEmpty else { continue }
            difference.changes.append(
                SnapshotChange(
                    inode: inode, base: SnapshotInode(before, oldRange),
                    now: SnapshotInode(after, newRange),
                    hasOtherEntries: types.contains(SnapshotItems.ItemType.directoryIndex)))
        }
    }

    /// The types of the items of one inode that are not on both sides, byte for byte.
    private static func differingTypes(
        _ before: SnapshotItems, _ oldRange: Range<Int>, _ after: SnapshotItems,
        _ newRange: Range<Int>
    ) -> Set<UInt8> {
        var types: Set<UInt8> = []
        var (old, new) = (oldRange.lowerBound, newRange.lowerBound)
        while old < oldRange.upperBound || new < newRange.upperBound {
            if old == oldRange.upperBound {
                types.insert(after.keys[new].type)
                new += 1
            } else if new == newRange.upperBound {
                types.insert(before.keys[old].type)
                old += 1
            } else if before.keys[old] == after.keys[new] {
                if before[old] != after[new] { types.insert(before.keys[old].type) }
                (old, new) = (old + 1, new + 1)
            } else if before.keys[old] < after.keys[new] {
                types.insert(before.keys[old].type)
                old += 1
            } else {
                types.insert(after.keys[new].type)
                new += 1
            }
        }
        return types
    }
}
