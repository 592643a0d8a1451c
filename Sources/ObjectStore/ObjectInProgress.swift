import CPlatform
import Glibc
import Platform

/// An object on its way into a directory: a temporary file that becomes the object by a rename
/// that never replaces, or vanishes.
///
/// All calls block.
final class ObjectInProgress: @unchecked Sendable {
    // Sendable because its steps run one after another: each is awaited before the next begins.
    private let name: ObjectName
    private let expected: ObjectBody
    private let directory: Descriptor
    private var file: ObjectFile
    private let temporary: String
    private var written: Int64 = 0
    private var digest = Digest()
    private var isPublished = false

    /// Makes the temporary file (mode 0400) in the object's own directory.
    init(_ name: ObjectName, _ body: ObjectBody, in tree: DirectoryTree) throws {
        self.name = name
        expected = body
        temporary = ObjectName.temporaryPrefix + Random.hex(bytes: 12)
        let parents = name.segments.dropLast()
        if let known = try tree.open(
            parents.joined(separator: "/"), flags: O_RDONLY | O_DIRECTORY)
        {
            directory = known
        } else {
            directory = try tree.makeDirectory(parents)
        }
        do {
            file = ObjectFile(
                try Descriptor(
                    opening: Array(temporary.utf8), at: directory,
                    flags: O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o400),
                expectedBytes: body.bytes)
        } catch let error as PlatformError {
            throw DirectoryTree.translate(error, name.text)
        }
    }

    deinit {
        guard !isPublished else { return }
        // Whether it goes or not: a leftover is never listed, and is swept later.
        directory.withNumber { unsafe unlinkat($0, temporary, 0) }
    }

    /// The length of the object of this name, if there is one already.
    func existingBytes() throws -> Int64? {
        var attributes = stat()
        let last = String(name.segments.last ?? "")
        let answer = directory.withNumber {
            unsafe fstatat($0, last, &attributes, AT_SYMLINK_NOFOLLOW)
        }
        if answer == 0 { return Int64(attributes.st_size) }
        guard errno == ENOENT else {
            throw DirectoryTree.translate(
                PlatformError(code: .systemCall, message: "stat", errno: errno), name.text)
        }
        return nil
    }

    /// Appends bytes.
    func write(_ bytes: [UInt8]) throws {
        written += Int64(bytes.count)
        guard written <= expected.bytes else { throw lengthError() }
        if expected.sha256 != nil { digest.update(bytes) }
        do {
            try file.write(bytes)
        } catch let error as PlatformError {
            throw DirectoryTree.translate(error, name.text)
        }
    }

    /// Checks length and SHA-256, syncs the file, gives it its name unless that is taken, and syncs
    /// the directory.
    ///
    /// - Returns: whether the object is new; false where one of the same length was there.
    func publish() throws -> Bool {
        guard written == expected.bytes else { throw lengthError() }
        if let sha256 = expected.sha256, digest.finish() != sha256 {
            throw ObjectStoreError(
                code: .digest, message: "\(name): what arrived has another SHA-256")
        }
        do {
            try file.sync()
            try directory.withNumber { directory in
                isPublished = try rename(in: directory)
                try systemCall("fsync the directory of \(name)") { fsync(directory) }
            }
        } catch let error as PlatformError {
            throw DirectoryTree.translate(error, name.text)
        }
        return isPublished
    }

    /// Syncs the directory and answers false, where an object of the same length is there.
    func acknowledgeExisting(_ bytes: Int64) throws -> Bool {
        guard bytes == expected.bytes else {
            throw ObjectStoreError(
                code: .alreadyExists,
                message: "\(name) exists with \(bytes) bytes, not \(expected.bytes); "
                    + "nothing was replaced")
        }
        return false
    }

    private func rename(in directory: Int32) throws -> Bool {
        let last = String(name.segments.last ?? "")
        let flags = UInt32(BERTH_RENAME_NOREPLACE)
        if unsafe berth_renameat2(directory, temporary, directory, last, flags) == 0 {
            return true
        }
        if errno == EINVAL {
            // A file system without RENAME_NOREPLACE: a second link does not replace either.
            if unsafe linkat(directory, temporary, directory, last, 0) == 0 {
                unsafe unlinkat(directory, temporary, 0)
                return true
            }
        }
        guard errno == EEXIST, let bytes = try existingBytes() else {
            throw PlatformError(code: .systemCall, message: "publish \(name)", errno: errno)
        }
        return try acknowledgeExisting(bytes)
    }

    private func lengthError() -> ObjectStoreError {
        ObjectStoreError(
            code: .digest,
            message: "\(name): \(written) bytes arrived, \(expected.bytes) were announced")
    }
}
