import CPlatform
import Glibc
import Platform

/// An open directory and what can be asked of its entries, each by a single name below the
/// descriptor, so that no symlink is ever followed; it is closed with its last user.
final class FileSystemDirectory: Sendable {
    private let descriptor: Descriptor

    init(_ descriptor: consuming Descriptor) {
        self.descriptor = descriptor
    }

    /// Opens the directory at `path`, which must not be a symlink.
    convenience init(path: String) throws {
        self.init(
            try Descriptor(opening: path, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW))
    }

    /// Opens the same directory once more, with an offset of its own.
    convenience init(sameAs descriptor: borrowing Descriptor) throws {
        self.init(
            try Descriptor(
                opening: [UInt8(ascii: ".")], at: descriptor, flags: O_RDONLY | O_DIRECTORY))
    }

    /// See `Descriptor.withNumber`; the directory stays open until `body` has returned.
    @discardableResult
    func withNumber<Answer: ~Copyable, Failure: Error>(
        _ body: (Int32) throws(Failure) -> Answer
    ) throws(Failure) -> Answer {
        defer { extendLifetime(self) }
        return try descriptor.withNumber(body)
    }

    /// Opens an entry that must be a directory itself.
    func directory(_ name: [UInt8]) throws -> FileSystemDirectory {
        FileSystemDirectory(
            try Descriptor(
                opening: name, at: descriptor, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW))
    }

    /// Opens the directory above.
    func parent() throws -> FileSystemDirectory {
        FileSystemDirectory(
            try Descriptor(
                opening: [UInt8(ascii: "."), UInt8(ascii: ".")], at: descriptor,
                flags: O_RDONLY | O_DIRECTORY))
    }

    /// Opens an entry for reading, without a change of its access time where that is allowed, and
    /// without waiting for a writer if it has become a FIFO.
    func file(_ name: [UInt8]) throws -> Descriptor {
        let flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK
        do {
            // O_NOATIME; Glibc does not import it.
            return try Descriptor(opening: name, at: descriptor, flags: flags | 0o1_000_000)
        } catch let error as PlatformError where error.errno == EPERM {
            return try Descriptor(opening: name, at: descriptor, flags: flags)
        }
    }

    /// The names in the directory, ascending by raw bytes, without `.` and `..` (readdir(3)).
    func names() throws -> [[UInt8]] {
        let copy = try Descriptor(
            opening: [UInt8(ascii: ".")], at: descriptor, flags: O_RDONLY | O_DIRECTORY)
        let number = copy.release()
        guard let stream = unsafe fdopendir(number) else {
            let reason = errno
            close(number)
            throw PlatformError(code: .systemCall, message: "fdopendir", errno: reason)
        }
        defer { unsafe closedir(stream) }
        let nameOffset = MemoryLayout<dirent>.offset(of: \.d_name) ?? 0
        var names: [[UInt8]] = []
        while true {
            errno = 0
            guard let entry = unsafe readdir(stream) else {
                let reason = errno
                if reason == 0 { break }
                throw PlatformError(code: .systemCall, message: "readdir", errno: reason)
            }
            let text = unsafe UnsafeRawPointer(entry) + nameOffset
            let count = unsafe strlen(text.assumingMemoryBound(to: CChar.self))
            let name = unsafe [UInt8](UnsafeRawBufferPointer(start: text, count: count))
            if name != [0x2E] && name != [0x2E, 0x2E] { names.append(name) }
        }
        names.sort { $0.lexicographicallyPrecedes($1) }
        return names
    }

    /// What the directory itself is (fstat(2)).
    func status() throws -> FileSystemStatus {
        var status = stat()
        try withNumber { number in
            try systemCall("fstat") { unsafe fstat(number, &status) }
        }
        return FileSystemStatus(status)
    }

    /// What an entry is; a symlink is not followed (fstatat(2)).
    func status(of name: [UInt8]) throws -> FileSystemStatus {
        var status = stat()
        try withNumber { number in
            try systemCall("fstatat") {
                unsafe CName.with(name) { path in
                    unsafe fstatat(number, path, &status, AT_SYMLINK_NOFOLLOW)
                }
            }
        }
        return FileSystemStatus(status)
    }

    /// The kind of file system the directory is on (`f_type` of fstatfs(2)).
    func fileSystemKind() throws -> Int {
        try withNumber { number in
            try systemCall("fstatfs") { berth_file_system_kind(number) }
        }
    }

    /// A symlink's target, raw bytes (readlinkat(2)).
    func linkTarget(of name: [UInt8]) throws -> [UInt8] {
        try withNumber { number in
            try unsafe [UInt8](unsafeUninitializedCapacity: Int(PATH_MAX)) { buffer, count in
                guard let base = buffer.baseAddress else { return }
                let capacity = buffer.count
                count = try systemCall("readlinkat") {
                    unsafe CName.with(name) { path in
                        unsafe base.withMemoryRebound(to: CChar.self, capacity: capacity) { text in
                            unsafe readlinkat(number, path, text, capacity)
                        }
                    }
                }
            }
        }
    }

    /// The extended attributes of an entry of any kind, a symlink's own included.
    func attributes(of name: [UInt8]) throws -> [Node.ExtendedAttribute] {
        // There is no llistxattr at a directory below Linux 6.13; the way through /proc resolves
        // the descriptor and then the single name, which is not followed.
        try withNumber { number in
            let path = Array("/proc/self/fd/\(number)/".utf8) + name
            return try unsafe FileSystemAttributes.read(
                list: { buffer, size in
                    unsafe CName.with(path) { unsafe berth_llistxattr($0, buffer, UInt(size)) }
                },
                get: { attribute, buffer, size in
                    unsafe CName.with(path) {
                        unsafe berth_lgetxattr($0, attribute, buffer, UInt(size))
                    }
                })
        }
    }

    /// The extended attributes of the directory itself.
    func attributes() throws -> [Node.ExtendedAttribute] {
        try withNumber { number in
            try FileSystemAttributes.read(of: number)
        }
    }
}
