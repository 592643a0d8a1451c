import CBtrfs
import CPlatform
import Glibc
import Platform

/// Mounts and unmounts btrfs devices, always with `noatime`.
public enum BtrfsMount {
    /// Mounts a device, or takes the mount that is there already.
    ///
    /// - Parameters:
    ///   - device: a block device with btrfs on it.
    ///   - place: the directory; made when it is missing.
    /// - Throws: `BtrfsError`; `foreign` when something else is mounted there.
    public static func mount(device: String, at place: String) throws -> BtrfsFilesystem {
        let directory = try prepared(place)
        if let entry = try MountTable.entry(at: directory) {
            guard entry.kind == "btrfs", try isSame(entry.source, device) else {
                throw BtrfsError(
                    code: .foreign,
                    message: "mount \(device): \(entry.source) is mounted at \(directory)")
            }
            return try BtrfsFilesystem(mountPoint: directory)
        }
        try btrfsCall("mount \(device) at \(directory)") {
            unsafe berth_btrfs_mount(device, directory)
        }
        return try BtrfsFilesystem(mountPoint: directory)
    }

    /// Unmounts what is mounted at a place; nothing there is no error.
    ///
    /// - Throws: `BtrfsError`; `busy` while a process works there or holds a file open.
    public static func unmount(_ place: String) throws {
        guard let directory = absolute(place), try MountTable.entry(at: directory) != nil else {
            return
        }
        try btrfsCall("unmount \(directory)") { unsafe berth_btrfs_unmount(directory) }
    }

    /// The path without links, or nil when there is nothing (realpath(3)).
    static func absolute(_ path: String) -> String? {
        guard let resolved = unsafe realpath(path, nil) else { return nil }
        defer { unsafe free(resolved) }
        return unsafe String(cString: resolved)
    }

    private static func prepared(_ place: String) throws -> String {
        if unsafe mkdir(place, 0o755) != 0, errno != EEXIST {
            throw BtrfsError("make the directory \(place)", errno: errno)
        }
        guard let directory = absolute(place) else {
            throw BtrfsError("find the directory \(place)", errno: errno)
        }
        return directory
    }

    private static func isSame(_ one: String, _ other: String) throws -> Bool {
        var first = stat()
        var second = stat()
        try btrfsCall("stat \(other)") { unsafe stat(other, &second) }
        return unsafe stat(one, &first) == 0 && first.st_rdev == second.st_rdev
            && first.st_mode & S_IFMT == S_IFBLK
    }
}
