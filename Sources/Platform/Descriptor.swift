import CPlatform
import Glibc

/// An open file descriptor, owned: it is closed when the owner goes.
///
/// All descriptors are opened close-on-exec. The number never leaves `withNumber`: where it was read
/// and used on its own, a release build closed it behind the last use of its owner, and so before
/// the call that it was read for.
public struct Descriptor: ~Copyable, Sendable {
    @usableFromInline let number: Int32

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
        let path = name.map { CChar(bitPattern: $0) } + [0]
        number = try directory.withNumber { parent in
            try systemCall("openat \(String(decoding: name, as: UTF8.self))") {
                unsafe berth_openat(parent, path, flags | O_CLOEXEC, mode)
            }
        }
    }

    deinit {
        _ = Glibc.close(number)
    }

    /// Calls `body` with the number of the descriptor, which is open until `body` has returned.
    ///
    /// - Parameter body: makes the calls; it keeps the number nowhere, unless in something that keeps
    ///   the owner as well.
    /// - Throws: what `body` throws.
    @discardableResult @inlinable
    public borrowing func withNumber<Answer: ~Copyable, Failure: Error>(
        _ body: (Int32) throws(Failure) -> Answer
    ) throws(Failure) -> Answer {
        defer { extendLifetime(self) }
        return try body(number)
    }

    /// From now on reads and writes go past the page cache (O_DIRECT of fcntl(2)), where the file
    /// system has that; memory, offsets and lengths must be multiples of 4 KiB then.
    public borrowing func passCache() {
        withNumber { _ = berth_set_direct($0, 1) }
    }

    /// Opens it once more (fcntl(2), F_DUPFD_CLOEXEC): both share one offset.
    ///
    /// - Throws: `PlatformError` with the error number.
    public borrowing func duplicate() throws -> Descriptor {
        try withNumber { number in
            Descriptor(owning: try systemCall("duplicate a descriptor") { berth_duplicate(number) })
        }
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
