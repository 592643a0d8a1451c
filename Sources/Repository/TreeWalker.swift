/// Looks into the trees of a backup: what a path names, what a directory lists, which blobs are
/// reachable.
public struct TreeWalker: Sendable {
    private let source: any BlobSource
    private let rootTree: BlobID

    /// - Parameters:
    ///   - rootTree: the tree that a snapshot file names.
    ///   - source: where the trees are read from.
    public init(rootTree: BlobID, source: any BlobSource) {
        self.rootTree = rootTree
        self.source = source
    }

    /// The node of the volume itself: the one directory of the root tree.
    ///
    /// - Throws: `RepositoryError` with the code `unsupported` where Berth did not write the backup.
    public func volume() async throws -> Node {
        try Self.volume(of: try await entries(of: rootTree))
    }

    /// The node of the volume among those of a root tree.
    ///
    /// - Throws: as `volume()`.
    public static func volume(of nodes: [Node]) throws -> Node {
        guard let node = nodes.first, nodes.count == 1, node.kind == .directory,
            node.name.elementsEqual(Backup.rootName.utf8)
        else {
            throw RepositoryError(
                code: .unsupported,
                message: "the backup holds no volume: its root is not the directory 'project'")
        }
        return node
    }

    /// What a path names.
    ///
    /// - Parameter path: raw bytes relative to the volume's root; empty for the volume itself.
    /// - Throws: `RepositoryError` with the code `invalidInput` for a path that is absolute or has
    ///   empty components, `.` or `..`, and for one that the backup does not hold.
    public func node(at path: [UInt8]) async throws -> Node {
        var node = try await volume()
        guard !path.isEmpty else { return node }
        let names = path.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
            .map([UInt8].init)
        if let objection = names.lazy.compactMap(TreeDecoder.objection(toName:)).first {
            throw RepositoryError(
                code: .invalidInput,
                message: """
                    '\(String(decoding: path, as: UTF8.self))' is no path in a backup: it has \
                    \(objection); give it relative to the project's root
                    """)
        }
        for name in names {
            guard let tree = node.subtree,
                let next = try await entries(of: tree).first(where: { $0.name == name })
            else {
                throw RepositoryError(
                    code: .invalidInput,
                    message: "the backup holds no '\(String(decoding: path, as: UTF8.self))'")
            }
            node = next
        }
        return node
    }

    /// The entries of the directory at a path, or the one node where it is something else.
    ///
    /// - Throws: as `node(at:)`.
    public func list(_ path: [UInt8]) async throws -> [Node] {
        let node = try await node(at: path)
        guard let tree = node.subtree else { return [node] }
        return try await entries(of: tree)
    }

    /// The entries of the root tree.
    func entries() async throws -> [Node] {
        try await entries(of: rootTree)
    }

    /// The entries of a tree.
    ///
    /// - Throws: `RepositoryError` naming the tree where it is missing or no tree.
    public func entries(of tree: BlobID) async throws -> [Node] {
        let json = try await source.load(tree, kind: .tree)
        do {
            return try TreeDecoder.decode(json)
        } catch {
            throw RepositoryError(
                code: error.code, message: "tree \(tree.hex) cannot be read", cause: error)
        }
    }

    /// Every blob that the backup needs, the root tree included: what a later backup may reuse, and
    /// what a prune must keep.
    public func reachableBlobs() async throws -> (trees: Set<BlobID>, data: Set<BlobID>) {
        var trees: Set<BlobID> = [rootTree]
        var data: Set<BlobID> = []
        var waiting = [rootTree]
        while let tree = waiting.popLast() {
            for node in try await entries(of: tree) {
                data.formUnion(node.content)
                if let subtree = node.subtree, trees.insert(subtree).inserted {
                    waiting.append(subtree)
                }
            }
        }
        return (trees, data)
    }
}
