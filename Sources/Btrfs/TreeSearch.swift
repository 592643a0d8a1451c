import CBtrfs
import Glibc
import Platform

/// Reads the items of one subvolume's tree in the order of their keys (BTRFS_IOC_TREE_SEARCH_V2),
/// which shows metadata as btrfs keeps it, without looking at one file after another.
///
/// It needs CAP_SYS_ADMIN, blocks, and is used by one thread at a time.
@safe final class TreeSearch {
    /// Where an item is (struct btrfs_key).
    struct Key: Comparable, Hashable {
        var inode: UInt64
        var type: UInt8
        var offset: UInt64

        static func < (left: Key, right: Key) -> Bool {
            (left.inode, left.type, left.offset) < (right.inode, right.type, right.offset)
        }

        /// The key behind this one, or nil behind the last.
        var next: Key? {
            if offset < .max { return Key(inode: inode, type: type, offset: offset + 1) }
            if type < .max { return Key(inode: inode, type: type + 1, offset: 0) }
            return inode < .max ? Key(inode: inode + 1, type: 0, offset: 0) : nil
        }
    }

    /// Inode numbers of files and directories (BTRFS_FIRST_FREE_OBJECTID to LAST).
    static let inodes: ClosedRange<UInt64> = 256...(.max - 255)
    /// An item is no longer than a node, at most 64 KiB.
    private static let answerBytes = 256 << 10
    private static let argumentBytes = MemoryLayout<btrfs_ioctl_search_args_v2>.size
    private static let headerBytes = MemoryLayout<btrfs_ioctl_search_header>.size

    private let directory: Descriptor
    private let path: String
    private let memory: UnsafeMutableRawBufferPointer

    /// - Parameter path: the root of a subvolume.
    /// - Throws: `PlatformError` where it cannot be opened.
    init(path: String) throws {
        directory = try Descriptor(opening: path, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        self.path = path
        unsafe memory = UnsafeMutableRawBufferPointer.allocate(
            byteCount: Self.argumentBytes + Self.answerBytes, alignment: 8)
    }

    deinit {
        unsafe memory.deallocate()
    }

    /// Calls `body` with the subvolume's open root.
    func withDirectory<Answer: ~Copyable>(_ body: (Int32) throws -> Answer) throws -> Answer {
        try directory.withNumber { try body($0) }
    }

    /// Calls `body` with each item from one key to another, both included, ascending.
    ///
    /// - Parameters:
    ///   - sinceTransid: only items in leaves that were written in this transaction or later; 0
    ///     for all.
    ///   - limit: how many items at most.
    /// - Throws: `BtrfsError`; `permission` without CAP_SYS_ADMIN.
    func forEach(
        from first: Key, through last: Key, sinceTransid: UInt64 = 0, limit: Int = .max,
        _ body: (Key, UnsafeRawBufferPointer) throws -> Void
    ) throws {
        try unsafe visit(from: first, through: last, sinceTransid: sinceTransid, limit: limit) {
            key, content in
            try unsafe body(key, content)
            return nil
        }
    }

    /// The same, where `body` may answer the key to go on with, which must be a later one: items
    /// before it are passed over.
    func visit(
        from first: Key, through last: Key, sinceTransid: UInt64 = 0, limit: Int = .max,
        _ body: (Key, UnsafeRawBufferPointer) throws -> Key?
    ) throws {
        var next: Key? = first
        var left = limit
        while let from = next, from <= last, left > 0 {
            let count = try search(from, last, sinceTransid, min(left, Int(UInt32.max)))
            if count == 0 { return }
            var offset = Self.argumentBytes
            var key = from
            var target: Key?
            for _ in 0..<count {
                key = unsafe Key(
                    inode: memory.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self),
                    type: UInt8(
                        truncatingIfNeeded: memory.loadUnaligned(
                            fromByteOffset: offset + 24, as: UInt32.self)),
                    offset: memory.loadUnaligned(fromByteOffset: offset + 16, as: UInt64.self))
                let length = unsafe Int(
                    memory.loadUnaligned(fromByteOffset: offset + 28, as: UInt32.self))
                offset += Self.headerBytes
                defer { offset += length }
                if let wanted = target {
                    if key < wanted { continue }
                    target = nil
                }
                target = try unsafe body(
                    key, UnsafeRawBufferPointer(rebasing: memory[offset..<offset + length]))
            }
            left -= count
            next = target ?? key.next
        }
    }

    private func search(
        _ first: Key, _ last: Key, _ sinceTransid: UInt64, _ limit: Int
    ) throws -> Int {
        var key = btrfs_ioctl_search_key()
        key.tree_id = 0
        (key.min_objectid, key.max_objectid) = (first.inode, last.inode)
        (key.min_type, key.max_type) = (UInt32(first.type), UInt32(last.type))
        (key.min_offset, key.max_offset) = (first.offset, last.offset)
        (key.min_transid, key.max_transid) = (sinceTransid, .max)
        key.nr_items = UInt32(clamping: limit)
        var count: UInt32 = 0
        try directory.withNumber { number in
            try btrfsCall("search the tree of \(path)") {
                unsafe berth_btrfs_search(
                    number, &key, memory.baseAddress, Self.answerBytes, &count)
            }
        }
        return Int(count)
    }
}
