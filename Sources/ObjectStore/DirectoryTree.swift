import CPlatform
import Glibc
import Platform

/// The directories and files below a store's root, reached by descriptors alone: no link is
/// followed and no path leaves the root (openat2(2) with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS).
///
/// All calls block.
struct DirectoryTree: Sendable {
    let root: String

    private static let resolve = UInt64(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS)

    /// Opens the root; that it is there is checked by every call, since a disk may be unmounted.
    func openRoot() throws -> Descriptor {
        do {
            return try Descriptor(opening: root, flags: O_RDONLY | O_DIRECTORY)
        } catch let error as PlatformError {
            throw Self.translate(error, "bucket directory \(root)", missing: .bucketMissing)
        }
    }

    /// Opens something below the root; nil where nothing has this path.
    func open(_ path: some StringProtocol, flags: Int32) throws -> Descriptor? {
        let root = try openRoot()
        if path.isEmpty { return root }
        do {
            return try root.withNumber { number in
                Descriptor(
                    owning: try systemCall("open \(path)") {
                        unsafe berth_openat2(
                            number, String(path), UInt64(flags | O_CLOEXEC), 0, Self.resolve)
                    })
            }
        } catch let error as PlatformError where error.errno == ENOENT || error.errno == ENOTDIR {
            return nil
        } catch let error as PlatformError {
            throw Self.translate(error, "\(path) in \(self.root)")
        }
    }

    /// Opens a directory below the root and makes those that are missing, each durable in its
    /// parent (mode 0700).
    func makeDirectory(_ segments: some Collection<Substring>) throws -> Descriptor {
        var directory = try openRoot()
        for segment in segments {
            let name = String(segment)
            do {
                try directory.withNumber { parent in
                    if unsafe mkdirat(parent, name, 0o700) != 0, errno != EEXIST {
                        throw PlatformError(
                            code: .systemCall, message: "make the directory \(name)", errno: errno)
                    }
                    // Also where another process made it: that one may not have come to its fsync.
                    try systemCall("fsync above \(name)") { fsync(parent) }
                }
                directory = try Descriptor(
                    opening: Array(name.utf8), at: directory,
                    flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
            } catch let error as PlatformError {
                throw Self.translate(error, "\(segments.joined(separator: "/")) in \(root)")
            }
        }
        return directory
    }

    /// The attributes of an open file (fstat(2)).
    static func attributes(of file: borrowing Descriptor) throws -> stat {
        var attributes = stat()
        try file.withNumber { number in
            try systemCall("stat an object") { unsafe fstat(number, &attributes) }
        }
        return attributes
    }

    /// This module's error for one of the system's.
    static func translate(
        _ error: PlatformError, _ what: String, missing: ObjectStoreError.Code = .notFound
    ) -> ObjectStoreError {
        switch error.errno {
        case ENOENT where missing == .bucketMissing, ENOTDIR where missing == .bucketMissing:
            ObjectStoreError(
                code: .bucketMissing,
                message: "\(what) is missing: mount its disk, or create the directory",
                cause: error)
        case ENOENT, ENOTDIR:
            ObjectStoreError(code: missing, message: "\(what) does not exist", cause: error)
        case ENOSPC, EDQUOT:
            ObjectStoreError(code: .full, message: "no room for \(what)", cause: error)
        case EACCES, EPERM, EROFS:
            ObjectStoreError(code: .denied, message: "no permission for \(what)", cause: error)
        case EMFILE, ENFILE, ENOMEM:
            ObjectStoreError(
                code: .unavailable, message: "out of resources for \(what)", cause: error)
        default: ObjectStoreError(code: .failed, message: "cannot use \(what)", cause: error)
        }
    }
}
