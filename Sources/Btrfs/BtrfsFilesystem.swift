import CBtrfs
import CPlatform
import Glibc
import Platform

/// A mounted btrfs file system, held open: what is mounted over its path later is told apart.
public final class BtrfsFilesystem: Sendable {
    /// Where it is mounted.
    public let mountPoint: String
    /// Its own UUID.
    public let uuid: BtrfsUUID
    private let root: Descriptor

    /// Space in bytes.
    public struct Space: Sendable, Hashable {
        /// The size of the file system.
        public let totalBytes: Int64
        /// What can still be written, an estimate of btrfs.
        public let freeBytes: Int64
    }

    /// Opens a file system at the path where it is mounted, or at a subvolume's root in it.
    ///
    /// - Throws: `BtrfsError`: `notBtrfs`; `notMounted` when the path is only a directory inside.
    public init(mountPoint: String) throws {
        let number = try btrfsCall("open \(mountPoint)") {
            unsafe berth_open(mountPoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
        }
        let root = Descriptor(owning: number)
        var status = stat()
        try root.withNumber { number in
            guard try btrfsCall("stat \(mountPoint)", { berth_btrfs_is(number) }) == 1 else {
                throw BtrfsError(code: .notBtrfs, message: "\(mountPoint) is not on btrfs")
            }
            try btrfsCall("stat \(mountPoint)") { unsafe fstat(number, &status) }
        }
        // Inode 256 is the root of every subvolume (BTRFS_FIRST_FREE_OBJECTID).
        guard status.st_ino == 256 else {
            throw BtrfsError(
                code: .notMounted,
                message: "\(mountPoint) is a directory, not a mount point or subvolume")
        }
        uuid = try Self.uuid(of: root, mountPoint)
        self.mountPoint = mountPoint
        self.root = root
    }

    /// Checks that the path still leads to this file system.
    ///
    /// - Throws: `BtrfsError` `notMounted` when it was unmounted, or another lies over it.
    public func verifyMounted() throws {
        var held = stat()
        var found = stat()
        try root.withNumber { number in
            try btrfsCall("stat \(mountPoint)") { unsafe fstat(number, &held) }
        }
        guard unsafe stat(mountPoint, &found) == 0, found.st_dev == held.st_dev,
            found.st_ino == held.st_ino
        else {
            throw BtrfsError(
                code: .notMounted, message: "\(mountPoint) no longer leads to file system \(uuid)")
        }
    }

    /// How much there is and how much is left (fstatvfs(3)).
    ///
    /// - Throws: `BtrfsError`.
    public func space() throws -> Space {
        var status = statvfs()
        try root.withNumber { number in
            try btrfsCall("measure \(mountPoint)") { unsafe fstatvfs(number, &status) }
        }
        let unit = Int64(status.f_frsize)
        return Space(
            totalBytes: Int64(status.f_blocks) * unit, freeBytes: Int64(status.f_bavail) * unit)
    }

    /// Whether reading a file leaves its access time, and so the subvolume, alone (D3).
    ///
    /// - Throws: `BtrfsError`.
    public func isMountedNoAtime() throws -> Bool {
        var status = statvfs()
        try root.withNumber { number in
            try btrfsCall("look at the mount \(mountPoint)") { unsafe fstatvfs(number, &status) }
        }
        // ST_NOATIME of statvfs(3), which glibc defines for GNU sources only.
        return status.f_flag & 1024 != 0
    }

    /// Writes everything out and commits (syncfs(2)); blocks until it is on disk.
    ///
    /// - Throws: `BtrfsError`, also for an earlier failure of writing back.
    public func sync() throws {
        try root.withNumber { number in
            try btrfsCall("sync \(mountPoint)") { berth_syncfs(number) }
        }
    }

    /// The state of a subvolume after a `sync()`.
    ///
    /// - Parameter subvolume: one of this file system.
    /// - Throws: `BtrfsError`; `foreign` when it is on another file system.
    public func freshnessToken(of subvolume: Subvolume) throws -> FreshnessToken {
        try sync()
        let open = try Descriptor(opening: subvolume.path, flags: O_RDONLY | O_DIRECTORY)
        guard try Self.uuid(of: open, subvolume.path) == uuid else {
            throw BtrfsError(
                code: .foreign, message: "\(subvolume.path) is not on file system \(uuid)")
        }
        let info = try subvolume.info()
        return FreshnessToken(filesystem: uuid, subvolume: info.uuid, ctransid: info.ctransid)
    }

    /// The UUID of the file system that an open directory is on.
    private static func uuid(
        of directory: borrowing Descriptor, _ path: String
    ) throws -> BtrfsUUID {
        var bytes = [UInt8](repeating: 0, count: 16)
        try directory.withNumber { number in
            try btrfsCall("read the file system of \(path)") {
                unsafe berth_btrfs_uuid(number, &bytes)
            }
        }
        return BtrfsUUID(bytes: bytes)
    }
}
