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
    static func of(
        _ base: BackupReference, _ repository: OpenRepository, _ cache: BlobCache
    ) async throws -> KnownBlobs {
        if let cached = await cache.read(base.project, base.id) { return cached }
        guard let root = BlobID(hex: base.rootTree) else {
            throw Failure(
                code: "input-invalid", message: "\(base.rootTree) is no root tree's id")
        }
        let found = try await TreeWalker(rootTree: root, source: try await repository.blobSource())
            .reachableBlobs()
        let known = KnownBlobs(trees: found.trees, data: found.data)
        await cache.write(known, base.project, base.id)
        return known
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
