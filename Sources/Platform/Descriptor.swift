import CPlatform
import Glibc

/// An open file descriptor, owned: it is closed when the owner goes.
///
/// All descriptors are opened close-on-exec.
public struct Descriptor: ~Copyable, Sendable {
    /// The number, for calls of this module's peers; it must not outlive the owner.
    public let number: Int32

    /// Takes ownership of an open descriptor.
    public init(owning number: Int32) {
        self.number = number
    }

    /// Opens `path` (open(2)); `O_CLOEXEC` is added.
    ///
    /// - Parameters:
    ///   - path: a path without NUL bytes.
    ///   - flags: `O_RDONLY`, `O_DIRECTORY`, ….
    ///   - mode: permission bits of a file that is created, default 0600.
    /// - Throws: `PlatformError` with the error number.
    public init(opening path: String, flags: Int32, mode: UInt32 = 0o600) throws {
        number = try systemCall("open \(path)") {
            unsafe berth_open(path, flags | O_CLOEXEC, mode)
        }
    }

    /// Opens a name below a directory descriptor (openat(2)); `O_CLOEXEC` is added.
    ///
    /// - Parameters:
    ///   - name: the path's raw bytes, relative to `directory`, without NUL.
    ///   - directory: an open directory.
    ///   - flags: `O_RDONLY`, `O_NOFOLLOW`, ….
    ///   - mode: permission bits of a file that is created, default 0600.
    /// - Throws: `PlatformError` with the error number.
    public init(
        opening name: [UInt8], at directory: borrowing Descriptor, flags: Int32,
        mode: UInt32 = 0o600
    ) throws {
        let parent = directory.number
        let path = name.map { CChar(bitPattern: $0) } + [0]
        number = try systemCall("openat \(String(decoding: name, as: UTF8.self))") {
            unsafe berth_openat(parent, path, flags | O_CLOEXEC, mode)
        }
    }

    deinit {
        _ = Glibc.close(number)
    }

    /// Closes it and reports what a failing close(2) says; the descriptor is gone either way.
    public consuming func close() throws {
        let number = self.number
        discard self
        if Glibc.close(number) != 0 {
            throw PlatformError(code: .systemCall, message: "close", errno: errno)
        }
    }

    /// Gives the number away; the caller closes it.
    public consuming func release() -> Int32 {
        let number = self.number
        discard self
        return number
    }
}
