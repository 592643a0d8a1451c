import CPlatform
import Glibc

/// The names in a directory, raw bytes, in the kernel's order, without `.` and `..`.
///
/// The whole directory is read at once (readdir(3)). The descriptor stays open and may be anywhere
/// in the directory.
/// - Parameter directory: an open directory.
/// - Throws: `PlatformError` with the error number.
public func directoryEntries(of directory: borrowing Descriptor) throws -> [[UInt8]] {
    let own = try Descriptor(opening: [UInt8(ascii: ".")], at: directory, flags: O_DIRECTORY)
    let number = own.release()
    guard let stream = unsafe fdopendir(number) else {
        let reason = errno
        Glibc.close(number)
        throw PlatformError(code: .systemCall, message: "read a directory", errno: reason)
    }
    defer { unsafe closedir(stream) }
    var names: [[UInt8]] = []
    while true {
        errno = 0
        guard let entry = unsafe readdir(stream) else {
            guard errno == 0 else {
                throw PlatformError(code: .systemCall, message: "read a directory", errno: errno)
            }
            return names
        }
        let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
            unsafe Array(bytes.prefix { $0 != 0 })
        }
        if name != [UInt8(ascii: ".")], name != Array("..".utf8) { names.append(name) }
    }
}
