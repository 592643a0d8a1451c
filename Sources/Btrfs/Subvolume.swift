import CBtrfs
import Glibc
import Platform

/// A subvolume or snapshot at a path (btrfs-subvolume(8), libbtrfsutil).
///
/// All calls block; run them on a `BlockingPool` or an actor of their own. Most need root.
public struct Subvolume: Sendable, Hashable {
    /// Where it is.
    public let path: String

    /// A subvolume that exists.
    ///
    /// - Throws: `BtrfsError`: `notSubvolume`, `notBtrfs`, `notFound`, ….
    public init(at path: String) throws {
        try btrfs("look for a subvolume at \(path)") {
            unsafe btrfs_util_is_subvolume(path)
        }
        self.path = path
    }

    private init(made path: String) {
        self.path = path
    }

    /// Whether there is a subvolume at a path; nothing at all, or something else, answers false.
    ///
    /// - Throws: `BtrfsError` when the answer cannot be had, such as `permission`.
    public static func exists(at path: String) throws -> Bool {
        do {
            _ = try Subvolume(at: path)
            return true
        } catch let error as BtrfsError where absent.contains(error.code) {
            return false
        }
    }

    private static let absent: Set<BtrfsError.Code> = [.notFound, .notSubvolume, .notBtrfs]

    /// Makes an empty, writable subvolume (BTRFS_IOC_SUBVOL_CREATE).
    ///
    /// - Parameter path: where; the directory above must exist, the name must be free.
    /// - Throws: `BtrfsError`.
    public static func create(at path: String) throws -> Subvolume {
        try btrfs("create the subvolume \(path)") {
            unsafe btrfs_util_create_subvolume(path, 0, nil, nil)
        }
        return Subvolume(made: path)
    }

    /// Makes a snapshot (BTRFS_IOC_SNAP_CREATE_V2), without the subvolumes that are nested in
    /// this one: they become empty directories.
    ///
    /// - Parameters:
    ///   - target: where; on the same file system, the name must be free.
    ///   - isReadOnly: whether it can never be written, default true.
    /// - Throws: `BtrfsError`.
    public func snapshot(to target: String, isReadOnly: Bool = true) throws -> Subvolume {
        let flags = isReadOnly ? Int32(BTRFS_UTIL_CREATE_SNAPSHOT_READ_ONLY) : 0
        // libbtrfsutil would put a snapshot *into* an existing directory of that name.
        var status = stat()
        if unsafe lstat(target, &status) == 0 {
            throw BtrfsError("snapshot \(path) to \(target)", errno: EEXIST)
        }
        try btrfs("snapshot \(path) to \(target)") {
            unsafe btrfs_util_create_snapshot(path, target, flags, nil, nil)
        }
        return Subvolume(made: target)
    }

    /// What btrfs knows about it, as of now in memory: sync first where it matters.
    ///
    /// - Throws: `BtrfsError`.
    public func info() throws -> SubvolumeInfo {
        var info = btrfs_util_subvolume_info()
        try btrfs("read the subvolume \(path)") {
            unsafe btrfs_util_subvolume_info(path, 0, &info)
        }
        return SubvolumeInfo(info)
    }

    /// Makes it read-only or writable.
    ///
    /// A descriptor that is open for writing goes on writing after it became read-only.
    /// - Throws: `BtrfsError`; `busy` while a send of it runs.
    public func setReadOnly(_ isReadOnly: Bool) throws {
        try btrfs("make the subvolume \(path) \(isReadOnly ? "read-only" : "writable")") {
            unsafe btrfs_util_set_subvolume_read_only(path, isReadOnly)
        }
    }

    /// The subvolumes below it at any depth, as raw paths relative to it, parents first.
    ///
    /// - Throws: `BtrfsError`.
    public func nested() throws -> [[UInt8]] {
        var iterator: OpaquePointer?
        try btrfs("list the subvolumes below \(path)") {
            unsafe btrfs_util_create_subvolume_iterator(path, 0, 0, &iterator)
        }
        defer { unsafe btrfs_util_destroy_subvolume_iterator(iterator) }
        var found: [[UInt8]] = []
        while true {
            var name: UnsafeMutablePointer<CChar>?
            let answer = unsafe btrfs_util_subvolume_iterator_next(iterator, &name, nil)
            if answer == BTRFS_UTIL_ERROR_STOP_ITERATION { return found }
            try btrfs("list the subvolumes below \(path)") { answer }
            guard let text = unsafe name else { continue }
            let length = unsafe strlen(text)
            unsafe found.append(
                UnsafeBufferPointer(start: text, count: length).map { UInt8(bitPattern: $0) })
            unsafe free(text)
        }
    }

    /// Deletes it; btrfs frees its space afterwards, in the background.
    ///
    /// - Parameter recursively: whether the subvolumes below it go too, read-only ones included;
    ///   default false: then one below it is the error `hasNestedSubvolumes`, and nothing is gone.
    /// - Throws: `BtrfsError`; `busy` when something is mounted in it.
    public func delete(recursively: Bool = false) throws {
        let below = try nested()
        guard recursively || below.isEmpty else {
            throw BtrfsError(
                code: .hasNestedSubvolumes,
                message: "delete the subvolume \(path), which holds \(below.count) more")
        }
        // A subvolume cannot be deleted out of a read-only one.
        if !below.isEmpty, try info().isReadOnly { try setReadOnly(false) }
        for name in below { try Self.makeWritable(Array(path.utf8) + [UInt8(ascii: "/")] + name) }
        let flags = recursively ? Int32(BTRFS_UTIL_DELETE_SUBVOLUME_RECURSIVE) : 0
        try btrfs("delete the subvolume \(path)") {
            unsafe btrfs_util_delete_subvolume(path, flags)
        }
    }

    /// By raw path, since whoever made it chose its name; no link on the way is followed.
    private static func makeWritable(_ raw: [UInt8]) throws {
        let root = try Descriptor(opening: "/", flags: O_DIRECTORY)
        let below = Array(raw.drop { $0 == UInt8(ascii: "/") })
        let open = try Descriptor(opening: below, at: root, flags: O_DIRECTORY | O_NOFOLLOW)
        try open.withNumber { number in
            try btrfs("make the subvolume \(String(decoding: raw, as: UTF8.self)) writable") {
                btrfs_util_set_subvolume_read_only_fd(number, false)
            }
        }
    }
}
