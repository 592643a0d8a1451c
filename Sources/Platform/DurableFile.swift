import CPlatform
import Glibc

/// Small files that are either wholly the old or wholly the new after any crash.
///
/// All calls block; use them at start, or on a `BlockingPool`.
public enum DurableFile {
    /// Replaces or creates a file: a temporary file beside it, fsync, rename, fsync of the
    /// directory.
    ///
    /// - Parameters:
    ///   - bytes: the whole new contents.
    ///   - path: the file; its directory must exist.
    ///   - mode: permission bits, default 0600; they do not depend on the umask.
    /// - Throws: `PlatformError` with the error number; the old file is then still there, unless
    ///   the last step failed.
    public static func write(_ bytes: [UInt8], to path: String, mode: UInt32 = 0o600) throws {
        let temporary = path + "." + Random.hex(bytes: 6) + ".tmp"
        do {
            let file = try Descriptor(
                opening: temporary, flags: O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: mode)
            try file.withNumber { number in
                try systemCall("set the mode of \(path)") { fchmod(number, mode) }
                try writeAll(bytes, to: number, path)
                try systemCall("fsync \(path)") { fsync(number) }
            }
            try file.close()
            try systemCall("rename to \(path)") { unsafe rename(temporary, path) }
        } catch {
            unsafe unlink(temporary)
            throw error
        }
        try syncDirectory(of: path)
    }

    /// The whole contents of a file.
    ///
    /// - Parameters:
    ///   - path: the file; a link is followed.
    ///   - limitBytes: a file that is larger is refused, default 1 MiB.
    /// - Throws: `PlatformError`: `limitExceeded`, or the error number.
    public static func read(_ path: String, limitBytes: Int = 1 << 20) throws -> [UInt8] {
        let file = try Descriptor(opening: path, flags: O_RDONLY)
        return try file.withNumber { try readAll($0, path, limitBytes: limitBytes) }
    }

    private static func readAll(
        _ number: Int32, _ path: String, limitBytes: Int
    ) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let got = try systemCall("read \(path)") {
                unsafe Glibc.read(number, &chunk, chunk.count)
            }
            if got == 0 { return bytes }
            bytes += chunk.prefix(got)
            if bytes.count > limitBytes {
                throw PlatformError(
                    code: .limitExceeded, message: "\(path) is larger than \(limitBytes) bytes")
            }
        }
    }

    /// Makes the entries of a file's directory durable (fsync(2) of the directory).
    ///
    /// - Parameter path: a file; its directory is synced.
    /// - Throws: `PlatformError` with the error number.
    public static func syncDirectory(of path: String) throws {
        var directory = "."
        if let slash = path.lastIndex(of: "/") {
            directory = slash == path.startIndex ? "/" : String(path[..<slash])
        }
        let open = try Descriptor(opening: directory, flags: O_RDONLY | O_DIRECTORY)
        try open.withNumber { number in
            try systemCall("fsync \(directory)") { fsync(number) }
        }
    }

    private static func writeAll(_ bytes: [UInt8], to number: Int32, _ path: String) throws {
        var written = 0
        while written < bytes.count {
            written += try systemCall("write \(path)") {
                unsafe bytes.withUnsafeBytes { buffer in
                    let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[written...])
                    return unsafe Glibc.write(number, rest.baseAddress, rest.count)
                }
            }
        }
    }
}
