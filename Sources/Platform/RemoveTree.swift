import CPlatform
import Glibc

/// Removes a file or a directory with everything below it; what is already gone is no error.
///
/// No symbolic link is followed and no mount point is entered: where one is met the removal fails
/// and says so. One descriptor is open per level of the tree.
/// - Parameter path: what to remove.
/// - Throws: `PlatformError` with the error number of the first thing that cannot be removed.
public func removeTree(at path: String) throws {
    if unlinkFile(AT_FDCWD, Array(path.utf8)) { return }
    do {
        try empty(Descriptor(opening: path, flags: O_DIRECTORY | O_NOFOLLOW), path)
    } catch let error as PlatformError where error.errno == ENOENT {
        return
    }
    try systemCall("remove \(path)") { unsafe rmdir(path) }
}

/// Removes whatever is in a directory, and leaves the directory.
private func empty(_ directory: borrowing Descriptor, _ path: String) throws {
    let names = try directoryEntries(of: directory)
    try directory.withNumber { try remove(names, from: $0, path) }
}

private func remove(_ names: [[UInt8]], from parent: Int32, _ path: String) throws {
    for name in names where !unlinkFile(parent, name) {
        let text = path + "/" + String(decoding: name, as: UTF8.self)
        let bytes = name.map { CChar(bitPattern: $0) } + [0]
        let flags = UInt64(O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        let resolve = UInt64(RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH)
        let child = try systemCall("open \(text) to remove it") {
            unsafe berth_openat2(parent, bytes, flags, 0, resolve)
        }
        try empty(Descriptor(owning: child), text)
        try systemCall("remove \(text)") { unsafe unlinkat(parent, bytes, AT_REMOVEDIR) }
    }
}

/// Whether the name was removed as a file; a directory, or anything else, answers false.
private func unlinkFile(_ directory: Int32, _ name: [UInt8]) -> Bool {
    let bytes = name.map { CChar(bitPattern: $0) } + [0]
    return unsafe unlinkat(directory, bytes, 0) == 0
}
