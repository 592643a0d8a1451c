import CPlatform
import Glibc
import Platform
import Repository

/// The root tree of a directory, computed in the plainest way: list, look, read everything, without
/// any of the code that a backup walks, reads and numbers hard links with.
struct SlowReference {
    private let chunker: Chunker
    private let device: UInt64
    private var names: [UInt64: [String]] = [:]
    private(set) var files: Int64 = 0
    private(set) var bytes: Int64 = 0

    /// The id of the root tree of `path`, whose names are all UTF-8 or made of Latin 1 bytes.
    static func rootTree(
        of path: String, polynomial: ChunkerPolynomial
    ) throws -> (id: BlobID, files: Int64, bytes: Int64) {
        var reference = try SlowReference(path, polynomial)
        try reference.collect(Array(path.utf8), [])
        var root = try reference.node(Array(path.utf8), [], Array("project".utf8))
        root.subtree = try reference.tree(Array(path.utf8), [])
        return (BlobID(hashing: TreeEncoder.encode([root])), reference.files, reference.bytes)
    }

    private init(_ path: String, _ polynomial: ChunkerPolynomial) throws {
        chunker = Chunker(polynomial: polynomial)
        device = UInt64(try Self.look(Array(path.utf8)).st_dev)
    }

    private static func look(_ path: [UInt8]) throws -> stat {
        var status = stat()
        try systemCall("lstat") {
            unsafe path.map { CChar(bitPattern: $0) }.appending(0).withUnsafeBufferPointer {
                unsafe $0.baseAddress.map { unsafe lstat($0, &status) } ?? -1
            }
        }
        return status
    }

    private static func list(_ path: [UInt8]) throws -> [[UInt8]] {
        let root = try Descriptor(opening: "/", flags: O_DIRECTORY)
        let open = try Descriptor(opening: [UInt8](path.dropFirst()), at: root, flags: O_DIRECTORY)
        return try directoryEntries(of: open).sorted { $0.lexicographicallyPrecedes($1) }
    }

    private func isNested(_ status: stat) -> Bool {
        UInt64(status.st_dev) != device || status.st_ino == 2 || status.st_ino == 256
    }

    private mutating func collect(_ path: [UInt8], _ relative: [UInt8]) throws {
        for name in try Self.list(path) {
            let below = path + [0x2F] + name
            let status = try Self.look(below)
            let place = relative.isEmpty ? name : relative + [0x2F] + name
            if status.st_mode & S_IFMT == S_IFDIR {
                if !isNested(status) { try collect(below, place) }
            } else if status.st_nlink > 1 {
                names[UInt64(status.st_ino), default: []].append(
                    String(decoding: place.flatMap { Self.hex($0) }, as: UTF8.self))
            }
        }
    }

    private static func hex(_ byte: UInt8) -> [UInt8] {
        let digits = Array("0123456789abcdef".utf8)
        return [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
    }

    private mutating func tree(_ path: [UInt8], _ relative: [UInt8]) throws -> BlobID {
        var nodes: [Node] = []
        for name in try Self.list(path) {
            let below = path + [0x2F] + name
            let status = try Self.look(below)
            if status.st_mode & S_IFMT == S_IFSOCK { continue }
            if status.st_mode & S_IFMT == S_IFDIR, isNested(status) {
                var node = Node(
                    name: name, kind: .directory, mode: NodeMode(status: 0o040_755),
                    modified: NodeTime(seconds: 0), uid: 0, gid: 0)
                node.subtree = BlobID(hashing: TreeEncoder.encode([]))
                nodes.append(node)
                continue
            }
            var node = try node(below, relative.isEmpty ? name : relative + [0x2F] + name, name)
            if node.kind == .directory {
                node.subtree = try tree(below, relative.isEmpty ? name : relative + [0x2F] + name)
            }
            nodes.append(node)
        }
        return BlobID(hashing: TreeEncoder.encode(nodes))
    }

    private mutating func node(
        _ path: [UInt8], _ relative: [UInt8], _ name: [UInt8]
    ) throws -> Node {
        let status = try Self.look(path)
        let kind: Node.Kind =
            switch status.st_mode & S_IFMT {
            case S_IFDIR: .directory
            case S_IFLNK: .symlink
            case S_IFBLK: .blockDevice
            case S_IFCHR: .characterDevice
            case S_IFIFO: .fifo
            default: .file
            }
        var node = Node(
            name: name, kind: kind, mode: NodeMode(status: status.st_mode),
            modified: NodeTime(
                seconds: Int64(status.st_mtim.tv_sec), nanoseconds: Int32(status.st_mtim.tv_nsec)),
            uid: status.st_uid, gid: status.st_gid)
        node.extendedAttributes = try SlowAttributes.read(path)
        switch kind {
        case .symlink: node.linkTarget = try SlowAttributes.target(path)
        case .blockDevice, .characterDevice: node.device = UInt64(status.st_rdev)
        case .file:
            files += 1
            bytes += Int64(status.st_size)
            node.sizeBytes = UInt64(status.st_size)
            node.content = try content(path, Int(status.st_size))
        case .directory, .fifo, .socket: break
        }
        if [.file, .symlink, .blockDevice, .characterDevice].contains(kind) { node.links = 1 }
        if kind != .directory, let group = names[UInt64(status.st_ino)], group.count > 1 {
            let least = group.min().map { Self.unhex($0) } ?? []
            let hash = BlobID(hashing: least).bytes.prefix(8)
            node.links = UInt64(group.count)
            node.inode = hash.reduce(UInt64(0)) { $0 << 8 | UInt64($1) } >> 1
            node.deviceID = 1
        }
        return node
    }

    private static func unhex(_ text: String) -> [UInt8] {
        let digits = Array(text.utf8)
        return stride(from: 0, to: digits.count, by: 2).compactMap {
            UInt8(String(decoding: digits[$0..<$0 + 2], as: UTF8.self), radix: 16)
        }
    }

    private func content(_ path: [UInt8], _ size: Int) throws -> [BlobID] {
        guard size > 0 else { return [] }
        let root = try Descriptor(opening: "/", flags: O_DIRECTORY)
        let file = try Descriptor(opening: [UInt8](path.dropFirst()), at: root, flags: O_RDONLY)
        var all = [UInt8](repeating: 0, count: size)
        var filled = 0
        while filled < size {
            let got = try file.withNumber { number in
                try unsafe all.withUnsafeMutableBytes { bytes in
                    try systemCall("read") {
                        unsafe pread(
                            number, bytes.baseAddress.map { unsafe $0 + filled }, size - filled,
                            filled)
                    }
                }
            }
            if got == 0 { break }
            filled += got
        }
        var chunker = chunker
        chunker.reset()
        var ids: [BlobID] = []
        var start = 0
        while let end = chunker.nextBoundary(in: all, from: start) {
            ids.append(BlobID(hashing: [UInt8](all[start..<end])))
            start = end
        }
        if start < size { ids.append(BlobID(hashing: [UInt8](all[start...]))) }
        return ids
    }
}

/// Reads extended attributes and links by whole paths.
enum SlowAttributes {
    static func read(_ path: [UInt8]) throws -> [Node.ExtendedAttribute] {
        let text = path.map { CChar(bitPattern: $0) }.appending(0)
        var buffer = [CChar](repeating: 0, count: 65_536)
        let count = unsafe berth_llistxattr(text, &buffer, UInt(buffer.count))
        guard count > 0 else { return [] }
        let names = buffer.prefix(count).map { UInt8(bitPattern: $0) }.split(separator: 0)
        return names.map { name in
            var value = [UInt8](repeating: 0, count: 65_536)
            let length = unsafe berth_lgetxattr(
                text, name.map { CChar(bitPattern: $0) }.appending(0), &value,
                UInt(value.count))
            return Node.ExtendedAttribute(
                name: [UInt8](name), value: [UInt8](value.prefix(max(length, 0))))
        }.sorted { $0.name.lexicographicallyPrecedes($1.name) }
    }

    static func target(_ path: [UInt8]) throws -> [UInt8] {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = unsafe readlink(
            path.map { CChar(bitPattern: $0) }.appending(0), &buffer, buffer.count)
        return buffer.prefix(max(count, 0)).map { UInt8(bitPattern: $0) }
    }
}

extension [CChar] {
    fileprivate func appending(_ last: CChar) -> [CChar] { self + [last] }
}
