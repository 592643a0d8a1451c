import Glibc
import Platform

/// The receipt of a restore: the trees computed anew from what lies in the directories that were
/// written, one directory at a time.
///
/// Names, metadata and every byte of the files are read back. What is not known from there, where a
/// file's chunks begin and what a subdirectory's own tree is, comes from the backup, and is proved
/// with the hash: a chunk by its own, a subdirectory when its turn comes. So each directory whose
/// tree comes out as the backup has it holds exactly what the backup says, and the root's id
/// follows from below (D5).
public final class RestoreProof: Sendable {
    /// A directory that is complete.
    struct Directory: Sendable {
        /// The way from the target; nil for the target itself.
        let way: RestorePath?
        let tree: BlobID

        /// The names from the target.
        var path: [[UInt8]] { way?.names ?? [] }
    }

    private let sink: any BlobSink
    private let length: @Sendable (BlobID) -> Int?
    private let groups = Locked(Groups())

    /// What was seen of hard links, by the file system's inode number.
    private struct Groups {
        struct Group {
            let canonical: UInt64
            let links: UInt64
            var names: UInt64
            var leastPath: [UInt8]
        }

        var byInode: [UInt64: Group] = [:]
    }

    /// - Parameters:
    ///   - sink: is given every chunk and every tree, and answers with its hash; such as a
    ///     `HashingSink`.
    ///   - length: how long the plaintext of a data blob is, which is known from the index.
    public init(sink: any BlobSink, length: @escaping @Sendable (BlobID) -> Int?) {
        self.sink = sink
        self.length = length
    }

    /// Proves one directory; blocks.
    ///
    /// - Parameters:
    ///   - directory: its entries are complete, with their metadata.
    ///   - nodes: what the backup says they are.
    ///   - tree: the id that must come out.
    ///   - path: the names from the volume's root.
    ///   - isContentKnown: whether the content of a file need not be read again, because nothing
    ///     wrote to it.
    /// - Throws: `RepositoryError` `verificationFailed` naming the path.
    func prove(
        _ directory: FileSystemDirectory, holds nodes: [Node], as tree: BlobID, at path: [[UInt8]],
        isContentKnown: (Node) -> Bool = { _ in false }
    ) throws {
        let names = try directory.names()
        guard names.count == nodes.count, zip(names, nodes).allSatisfy({ $0 == $1.name }) else {
            throw Self.mismatch(path, "other names than the backup has")
        }
        var found: [Node] = []
        found.reserveCapacity(nodes.count)
        for node in nodes {
            do {
                let entry = try read(
                    node, in: directory, path: path, isContentKnown: isContentKnown(node))
                found.append(entry)
            } catch {
                throw RestoreWorker.failure(Self.text(path + [node.name]), error)
            }
        }
        guard try sink.prepare(TreeEncoder.encode(found), kind: .tree).id == tree else {
            let bad = zip(found, nodes).first { $0 != $1 }?.1.name ?? []
            throw Self.mismatch(path + [bad], "something else than the backup has")
        }
    }

    /// Proves the volume's root itself, when everything below is proved.
    ///
    /// - Parameter isWhole: whether every directory was proved: then each group of hard links must
    ///   have been seen with all of its names.
    /// - Returns: the root tree's id, computed from what is there.
    func finish(_ root: FileSystemDirectory, _ node: Node, isWhole: Bool) throws -> BlobID {
        try groups.withLock { groups -> Void in
            var taken: Set<UInt64> = []
            for group in groups.byInode.values {
                let isComplete = group.names == group.links
                guard taken.insert(group.canonical).inserted, group.names <= group.links,
                    isComplete || !isWhole,
                    !isComplete
                        || group.canonical
                            == ScanHardLinks.canonicalInode(leastPath: group.leastPath)
                else {
                    throw Self.mismatch(
                        [group.leastPath], "other hard links than the backup has")
                }
            }
        }
        var found = try Scan.rootNode(root, name: Array(Backup.rootName.utf8))
        found.subtree = node.subtree
        return try sink.prepare(TreeEncoder.encode([found]), kind: .tree).id
    }

    /// Proves that a chunk lies where it was written.
    func prove(chunk id: BlobID, at range: Range<Int64>, of number: Int32) throws {
        let chunk = try Self.bytes(of: number, range)
        guard try sink.prepare(chunk, kind: .data).id == id else {
            throw RepositoryError(
                code: .verificationFailed, message: "what was written is not blob \(id)")
        }
    }

    // MARK: One entry

    private func read(
        _ expected: Node, in directory: FileSystemDirectory, path: [[UInt8]], isContentKnown: Bool
    ) throws -> Node {
        if expected.kind == .file {
            let file = try directory.file(expected.name)
            return try file.withNumber { number in
                let status = try FileSystemStatus(ofFile: number)
                var node = try canonical(expected, status, path: path)
                node.extendedAttributes = try FileSystemAttributes.read(of: number)
                guard status.kind == .file else { return node }
                node.sizeBytes = UInt64(status.sizeBytes)
                node.content =
                    isContentKnown && node.sizeBytes == expected.sizeBytes
                    ? expected.content : try content(of: expected, number, status.sizeBytes)
                return node
            }
        }
        let status = try directory.status(of: expected.name)
        var node = try canonical(expected, status, path: path)
        node.extendedAttributes = try directory.attributes(of: expected.name)
        switch status.kind {
        case .symlink: node.linkTarget = try directory.linkTarget(of: expected.name)
        case .blockDevice, .characterDevice: node.device = status.specialDevice
        case .directory: node.subtree = expected.subtree
        case .file, .fifo, .socket: break
        }
        return node
    }

    private func canonical(
        _ expected: Node, _ status: FileSystemStatus, path: [[UInt8]]
    ) throws -> Node {
        var node = Node(
            name: expected.name, kind: status.kind, mode: NodeMode(status: status.mode),
            modified: status.modified, uid: status.uid, gid: status.gid)
        if status.links > 1, status.kind != .directory {
            try note(expected, status, path)
            (node.links, node.inode, node.deviceID) = (
                expected.links, expected.inode, Node.canonicalDeviceID
            )
        } else if [.file, .symlink, .blockDevice, .characterDevice].contains(status.kind) {
            node.links = 1
        }
        return node
    }

    private func note(_ node: Node, _ status: FileSystemStatus, _ path: [[UInt8]]) throws {
        let full = [UInt8]((path + [node.name]).joined(separator: [UInt8(ascii: "/")]))
        let isSame = groups.withLock { groups -> Bool in
            guard node.links == status.links else { return false }
            guard var group = groups.byInode[status.inode] else {
                groups.byInode[status.inode] = .init(
                    canonical: node.inode, links: node.links, names: 1, leastPath: full)
                return true
            }
            group.names += 1
            if full.lexicographicallyPrecedes(group.leastPath) { group.leastPath = full }
            groups.byInode[status.inode] = group
            return group.canonical == node.inode
        }
        guard isSame else { throw Self.mismatch([full], "other hard links than the backup has") }
    }

    /// The hashes of a file's chunks, cut where the backup has cut them.
    private func content(of node: Node, _ number: Int32, _ sizeBytes: Int64) throws -> [BlobID] {
        var ids: [BlobID] = []
        ids.reserveCapacity(node.content.count)
        var offset: Int64 = 0
        for id in node.content {
            let left = sizeBytes - offset
            guard let count = node.content.count == 1 ? Int(left) : length(id), count > 0,
                count <= left, count <= PackHeader.blobLimitBytes
            else { break }
            let chunk = try Self.bytes(of: number, offset..<offset + Int64(count))
            ids.append(try sink.prepare(chunk, kind: .data).id)
            offset += Int64(count)
        }
        guard offset == sizeBytes else {
            throw RepositoryError(
                code: .verificationFailed, message: "it has another length than the backup has")
        }
        return ids
    }

    private static func bytes(of number: Int32, _ range: Range<Int64>) throws -> [UInt8] {
        var chunk = unsafe [UInt8](unsafeUninitializedCapacity: range.count) { _, count in
            count = range.count
        }
        var done = 0
        while done < range.count {
            let got = try unsafe chunk.withUnsafeMutableBytes { bytes in
                try systemCall("read") {
                    unsafe pread(
                        number, bytes.baseAddress.map { unsafe $0 + done }, range.count - done,
                        Int(range.lowerBound) + done)
                }
            }
            guard got > 0 else { throw BackupFileReader.changed }
            done += got
        }
        return chunk
    }

    private static func mismatch(_ path: [[UInt8]], _ what: String) -> RepositoryError {
        RepositoryError(
            code: .verificationFailed,
            message: "what was restored is not what was to be: '\(text(path))' has \(what)")
    }

    private static func text(_ path: [[UInt8]]) -> String {
        String(decoding: [UInt8](path.joined(separator: [UInt8(ascii: "/")])), as: UTF8.self)
    }
}
