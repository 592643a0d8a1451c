import CPlatform
import Glibc
import Platform

/// A directory that a restore writes into: everything is created anew (`O_EXCL`, mkdir(2),
/// mknod(2)) by a single name below the open descriptor, and directories are opened again only with
/// openat2(2) beneath it, following nothing.
final class RestoreDirectory: Sendable {
    private let directory: FileSystemDirectory

    private static let resolve =
        UInt64(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS)
        | UInt64(RESOLVE_NO_MAGICLINKS)

    init(_ directory: FileSystemDirectory) {
        self.directory = directory
    }

    /// Whether what is created in it gets attributes from it: an ACL or a compression property.
    func passesAttributesOn() throws -> Bool {
        try !directory.attributes().isEmpty
    }

    func isEmpty() throws -> Bool {
        try directory.names().isEmpty
    }

    /// Opens a directory inside.
    func descend(_ name: [UInt8]) throws -> RestoreDirectory {
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW
        return RestoreDirectory(FileSystemDirectory(try open(name, flags: flags, mode: 0)))
    }

    /// Makes a file and opens it for writing.
    ///
    /// - Parameter permissions: less what the process masks (umask(2)).
    func makeFile(_ name: [UInt8], permissions: UInt32) throws -> Descriptor {
        try open(
            name, flags: O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: UInt64(permissions))
    }

    /// Opens a file inside for reading and writing, without waiting where it is something else.
    func openFile(_ name: [UInt8]) throws -> Descriptor {
        try open(name, flags: O_RDWR | O_NOFOLLOW | O_NONBLOCK, mode: 0)
    }

    /// Opens what a name leads to without looking into it (O_PATH), itself where it is a symlink.
    func look(_ name: [UInt8]) throws -> Descriptor {
        // O_PATH, which Glibc defines for GNU sources only.
        try open(name, flags: 0o10_000_000 | O_NOFOLLOW, mode: 0)
    }

    /// Gives what is open one more name inside (linkat(2), AT_EMPTY_PATH).
    func makeLink(to file: OpenFile, _ name: [UInt8]) throws {
        try directory.withNumber { directory in
            try file.withNumber { file in
                try systemCall("linkat") {
                    unsafe CName.with(name) { unsafe berth_link_open(file, directory, $0) }
                }
            }
        }
    }

    /// Removes an entry with everything below it; no symlink is followed and no mount is entered.
    func remove(_ name: [UInt8]) throws {
        let isGone = try directory.withNumber { number in
            try unsafe CName.with(name) { name in
                if unsafe unlinkat(number, name, 0) == 0 { return true }
                guard errno == EISDIR || errno == EPERM else {
                    throw PlatformError(code: .systemCall, message: "unlinkat", errno: errno)
                }
                return false
            }
        }
        if isGone { return }
        let below = try descend(name)
        for entry in try below.directory.names() { try below.remove(entry) }
        try directory.withNumber { number in
            try systemCall("rmdir") {
                unsafe CName.with(name) { unsafe unlinkat(number, $0, AT_REMOVEDIR) }
            }
        }
    }

    /// What it holds, for a look at what was written.
    var content: FileSystemDirectory { directory }

    func makeDirectory(_ name: [UInt8]) throws {
        try directory.withNumber { number in
            try systemCall("mkdirat") {
                unsafe CName.with(name) { unsafe mkdirat(number, $0, 0o700) }
            }
        }
    }

    private func makeSymlink(_ name: [UInt8], to target: [UInt8]) throws {
        try directory.withNumber { number in
            try systemCall("symlinkat") {
                unsafe CName.with(name) { place in
                    unsafe CName.with(target) { unsafe symlinkat($0, number, place) }
                }
            }
        }
    }

    /// Makes a FIFO or a device node.
    private func makeSpecial(_ node: Node) throws {
        let kind: UInt32
        switch node.kind {
        case .fifo: kind = S_IFIFO
        case .blockDevice: kind = S_IFBLK
        case .characterDevice: kind = S_IFCHR
        case .file, .directory, .symlink, .socket:
            preconditionFailure("a \(node.kind.rawValue) is not made by mknod")
        }
        try directory.withNumber { number in
            try systemCall("mknodat") {
                unsafe CName.with(node.name) {
                    unsafe mknodat(number, $0, kind | 0o600, UInt(node.device))
                }
            }
        }
    }

    /// Gives the directory itself a node's metadata.
    func apply(_ node: Node, isolates: Bool) throws {
        try directory.withNumber {
            try RestoreMetadata.apply(node, to: $0, isolates: isolates)
        }
    }

    /// Makes a symlink, FIFO or device node with its metadata.
    func make(_ node: Node, isolates: Bool) throws {
        if node.kind == .symlink {
            try makeSymlink(node.name, to: node.linkTarget)
        } else {
            try makeSpecial(node)
        }
        try directory.withNumber {
            try RestoreMetadata.apply(node, named: node.name, in: $0, isolates: isolates)
        }
    }

    /// Gives a file inside one more name, in `other`.
    func makeLink(from name: [UInt8], to newName: [UInt8], in other: RestoreDirectory) throws {
        try directory.withNumber { from in
            try other.directory.withNumber { to in
                try systemCall("linkat") {
                    unsafe CName.with(name) { old in
                        unsafe CName.with(newName) { unsafe linkat(from, old, to, $0, 0) }
                    }
                }
            }
        }
    }

    /// Runs `body`, which changes entries, and gives the directory its modification time back.
    func keepingTimes(_ body: () throws -> Void) throws {
        let before = try directory.status().modified
        try body()
        let time = timespec(
            tv_sec: Int(before.seconds), tv_nsec: Int(before.nanoseconds))
        try directory.withNumber { number in
            try systemCall("futimens") { unsafe futimens(number, [time, time]) }
        }
    }

    /// Makes everything of the file system durable (syncfs(2)).
    func sync() throws {
        try directory.withNumber { number in
            try systemCall("syncfs") { berth_syncfs(number) }
        }
    }

    private func open(_ name: [UInt8], flags: Int32, mode: UInt64) throws -> Descriptor {
        try directory.withNumber { number in
            Descriptor(
                owning: try systemCall("openat2") {
                    unsafe CName.with(name) {
                        unsafe berth_openat2(
                            number, $0, UInt64(flags | O_CLOEXEC), mode, Self.resolve)
                    }
                })
        }
    }
}
