import Glibc
import Platform

/// Visits every file below a prefix of a directory store; all calls block.
struct DirectoryWalk {
    let tree: DirectoryTree

    /// Deeper directories are no part of a store: object names are at most 512 bytes.
    private static let depthLimit = 64

    /// A file that was found.
    struct Entry {
        /// Its object name; nil for a temporary or foreign file.
        let name: ObjectName?
        let bytes: Int64
        let modifiedSeconds: Int64
    }

    /// Calls `body` with each file, the number of its open directory, and its own raw name.
    func visit(
        _ prefix: ObjectPrefix, _ body: (Entry, Int32, [UInt8]) throws -> Void
    ) throws {
        let path = String(prefix.text.dropLast(prefix.text.isEmpty ? 0 : 1))
        guard let directory = try tree.open(path, flags: O_RDONLY | O_DIRECTORY) else { return }
        do {
            try visit(directory, path: prefix.text, depth: 0, body)
        } catch let error as PlatformError {
            throw DirectoryTree.translate(error, "\(tree.root)/\(prefix)")
        }
    }

    private func visit(
        _ directory: borrowing Descriptor, path: String, depth: Int,
        _ body: (Entry, Int32, [UInt8]) throws -> Void
    ) throws {
        guard depth <= Self.depthLimit else { return }
        for name in try directoryEntries(of: directory) {
            guard let attributes = try Self.attributes(of: name, in: directory) else { continue }
            let isPlain = !name.starts(with: ObjectName.temporaryPrefix.utf8)
            let full = path + String(decoding: name, as: UTF8.self)
            switch attributes.st_mode & S_IFMT {
            case S_IFDIR:
                guard isPlain else { continue }
                let below: Descriptor
                do {
                    below = try Descriptor(
                        opening: name, at: directory, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
                } catch let error as PlatformError where error.errno == ENOENT {
                    continue
                }
                try visit(below, path: full + "/", depth: depth + 1, body)
            case S_IFREG:
                // A foreign file, whose name no object can have, is not listed: hence no error.
                let entry = Entry(
                    name: isPlain ? try? ObjectName(full) : nil, bytes: Int64(attributes.st_size),
                    modifiedSeconds: Int64(attributes.st_mtim.tv_sec))
                try directory.withNumber { try body(entry, $0, name) }
            default: continue
            }
        }
    }

    /// Nil where the name is gone: a temporary file may have become an object, or an object been
    /// deleted.
    private static func attributes(
        of name: [UInt8], in directory: borrowing Descriptor
    ) throws -> stat? {
        var attributes = stat()
        let text = name.map { CChar(bitPattern: $0) } + [0]
        let answer = directory.withNumber {
            unsafe fstatat($0, text, &attributes, AT_SYMLINK_NOFOLLOW)
        }
        if answer == 0 { return attributes }
        if errno == ENOENT { return nil }
        throw PlatformError(code: .systemCall, message: "stat", errno: errno)
    }
}
