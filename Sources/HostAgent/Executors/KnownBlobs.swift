import ObjectStore
import Platform
import Repository
import Shared

/// The blobs that a backup may reuse: those reachable from its pinned base, and those that its own
/// operation has uploaded (D9: nothing else is certain to stay).
struct KnownBlobs: Sendable {
    private(set) var trees: Set<BlobID> = []
    private(set) var data: Set<BlobID> = []

    func contains(_ id: BlobID, _ kind: BlobKind) -> Bool {
        switch kind {
        case .data: data.contains(id)
        case .tree: trees.contains(id)
        }
    }

    mutating func insert(_ id: BlobID, _ kind: BlobKind) {
        switch kind {
        case .data: data.insert(id)
        case .tree: trees.insert(id)
        }
    }

    /// Adds the blobs of a pack that is in the bucket.
    mutating func insert(_ pack: PackDescription) {
        for blob in pack.blobs { insert(blob.id, blob.kind) }
    }

    mutating func formUnion(_ other: KnownBlobs) {
        trees.formUnion(other.trees)
        data.formUnion(other.data)
    }

    /// What a base holds: from the cache where that is of this base, else read from its trees.
    ///
    /// - Throws: `FullScanReason` `base-unreadable` where the repository has lost a part of them:
    ///   then nothing of the base is certain, and a backup stores everything.
    static func of(
        _ base: BackupReference, _ repository: OpenRepository, _ cache: BaseCache?
    ) async throws -> KnownBlobs {
        do {
            if let cache, let header = try await cache.header(), header.backup == base.id,
                header.rootTree == base.rootTree
            {
                return try await of(cache, repository.codec)
            }
        } catch is FullScanReason {
            // What is kept is damaged; the repository has it too.
        }
        guard let root = BlobID(hex: base.rootTree) else {
            throw Failure(
                code: "input-invalid", message: "\(base.rootTree) is no root tree's id")
        }
        do {
            let source = try await repository.blobSource()
            let found = try await TreeWalker(rootTree: root, source: source).reachableBlobs()
            return KnownBlobs(trees: found.trees, data: found.data)
        } catch let error as RepositoryError where error.isDamage {
            throw FullScanReason("base-unreadable", "backup \(base.id): \(error)")
        }
    }

    private static func of(_ cache: BaseCache, _ codec: BlobCodec) async throws -> KnownBlobs {
        var known = KnownBlobs()
        var last: UInt64 = 0
        while true {
            try Task.checkCancellation()
            let page = try await cache.directories(after: last, limit: 256)
            guard let end = page.last else { return known }
            last = end.inode
            for directory in page {
                known.trees.insert(directory.tree.id)
                for node in try nodes(directory.tree, codec) {
                    known.data.formUnion(node.content)
                }
            }
        }
    }

    private static func nodes(_ tree: SealedTree, _ codec: BlobCodec) throws -> [Node] {
        do {
            return try tree.nodes(codec)
        } catch {
            throw FullScanReason.cacheDamaged("\(error)")
        }
    }
}

extension CommitPack {
    /// A pack as the hub is told of it.
    init(_ pack: PackDescription) {
        let announced = AnnouncedPack(pack)
        self.init(
            id: announced.id.hex, bytes: announced.bytes,
            headerDigest: announced.headerDigest.hex)
    }
}
