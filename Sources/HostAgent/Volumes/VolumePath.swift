import CPlatform
import Glibc
import Platform
import Shared

/// A path inside a volume, looked up so that nothing in the volume can lead out of it (openat2(2)
/// with RESOLVE_BENEATH): a project's own symlinks are followed only while they stay inside.
///
/// All calls block.
struct VolumePath: Sendable {
    let volume: String
    let path: ProjectPath

    /// O_PATH of open(2), which glibc defines for GNU sources only.
    private static let pathOnly: Int32 = 0o10000000
    private static let resolve = UInt64(RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS)

    /// The inode of what is there; nil when nothing is.
    func inode() throws -> UInt64? {
        let root = try Descriptor(opening: volume, flags: O_DIRECTORY | O_NOFOLLOW)
        do {
            let found = try Self.open(
                root, path.components, flags: Self.pathOnly | O_NOFOLLOW, path: path)
            var status = stat()
            try found.withNumber { number in
                try systemCall("look at \(path)") { unsafe fstat(number, &status) }
            }
            return UInt64(status.st_ino)
        } catch let error as PlatformError where error.errno == ENOENT {
            return nil
        }
    }

    /// The directory that the path is in; what is missing of it is made, as the project's user.
    func parent(uid: UInt32, gid: UInt32) throws -> Descriptor {
        let root = try Descriptor(opening: volume, flags: O_DIRECTORY | O_NOFOLLOW)
        var parent = try Self.open(root, [], flags: O_RDONLY | O_DIRECTORY, path: path)
        let components = path.components.dropLast()
        for index in components.indices {
            let prefix = Array(components[...index])
            do {
                parent = try Self.open(root, prefix, flags: O_RDONLY | O_DIRECTORY, path: path)
            } catch let error as PlatformError where error.errno == ENOENT {
                parent = try Self.make(components[index], in: parent, uid: uid, gid: gid)
            }
        }
        return parent
    }

    /// The inode of a name in a directory, a link itself and not what it points to.
    static func inode(of name: [UInt8], in directory: borrowing Descriptor) throws -> UInt64 {
        let characters = name.map { CChar(bitPattern: $0) } + [0]
        var status = stat()
        try directory.withNumber { number in
            try systemCall("look at \(String(decoding: name, as: UTF8.self))") {
                unsafe fstatat(number, characters, &status, AT_SYMLINK_NOFOLLOW)
            }
        }
        return UInt64(status.st_ino)
    }

    /// Renames within a subvolume (renameat2(2)): onto a name that nothing has, or in exchange.
    ///
    /// - Throws: `PlatformError` with `EEXIST`; `Failure` where the names are in different
    ///   subvolumes.
    static func rename(
        _ name: [UInt8], in directory: borrowing Descriptor, to newName: [UInt8],
        in parent: borrowing Descriptor, isExchange: Bool
    ) throws {
        let old = name.map { CChar(bitPattern: $0) } + [0]
        let new = newName.map { CChar(bitPattern: $0) } + [0]
        let text = String(decoding: newName, as: UTF8.self)
        let flags = isExchange ? BERTH_RENAME_EXCHANGE : BERTH_RENAME_NOREPLACE
        do {
            try directory.withNumber { from in
                try parent.withNumber { to in
                    try systemCall("put \(text) into place") {
                        unsafe berth_renameat2(from, old, to, new, UInt32(flags))
                    }
                }
            }
        } catch let error as PlatformError where error.errno == EXDEV {
            throw Failure(
                code: "nested-subvolume",
                message: "\(text) would be in another subvolume than the project's volume",
                hint: "name a destination outside of nested subvolumes")
        }
    }

    /// Renames onto a name that nothing has.
    static func rename(_ path: String, to target: String) throws {
        try systemCall("rename \(path) to \(target)") {
            unsafe berth_renameat2(
                AT_FDCWD, path, AT_FDCWD, target, UInt32(BERTH_RENAME_NOREPLACE))
        }
    }

    private static func make(
        _ name: [UInt8], in parent: borrowing Descriptor, uid: UInt32, gid: UInt32
    ) throws -> Descriptor {
        let characters = name.map { CChar(bitPattern: $0) } + [0]
        let text = String(decoding: name, as: UTF8.self)
        try parent.withNumber { number in
            try systemCall("make the directory \(text)") {
                unsafe mkdirat(number, characters, 0o755)
            }
        }
        let made = try Descriptor(opening: name, at: parent, flags: O_DIRECTORY | O_NOFOLLOW)
        try made.withNumber { number in
            try systemCall("give the directory \(text) away") { fchown(number, uid, gid) }
        }
        return made
    }

    private static func open(
        _ root: borrowing Descriptor, _ components: [[UInt8]], flags: Int32, path: ProjectPath
    ) throws -> Descriptor {
        let joined = components.isEmpty ? [0x2E] : Array(components.joined(separator: [0x2F]))
        let characters = joined.map { CChar(bitPattern: $0) } + [0]
        do {
            return try root.withNumber { number in
                Descriptor(
                    owning: try systemCall("open \(path)") {
                        unsafe berth_openat2(
                            number, characters, UInt64(flags | O_CLOEXEC), 0, resolve)
                    })
            }
        } catch let error as PlatformError where error.errno == EXDEV {
            throw Failure(
                code: "path-escapes",
                message: "\(path) leads out of the project by a symbolic link",
                hint: "name a destination without that link")
        } catch let error as PlatformError where [ENOTDIR, ELOOP].contains(error.errno) {
            throw Failure(
                code: "path-not-directory",
                message: "a part of \(path) is not a directory",
                hint: "name another destination, or move that file away")
        }
    }
}
