import Platform

@testable import Repository

/// Blobs in memory, for what does not concern packs.
final class MemoryBlobs: BlobSink, BlobSource {
    private let blobs = Locked<[BlobID: [UInt8]]>([:])
    private let loaded = Locked<[BlobKind: Int]>([:])

    /// How long a blob is.
    func length(of id: BlobID) -> Int? { blobs.withLock { $0[id]?.count } }

    /// How many blobs of a kind were asked for since `forgetLoads`.
    func loads(_ kind: BlobKind) -> Int { loaded.withLock { $0[kind, default: 0] } }

    func forgetLoads() { loaded.withLock { $0 = [:] } }

    func prepare(_ plaintext: [UInt8], kind: BlobKind) -> PreparedBlob {
        PreparedBlob(
            id: BlobID(hashing: plaintext), kind: kind, sealed: plaintext,
            plaintextBytes: plaintext.count, isCompressed: false)
    }

    func add(_ blob: PreparedBlob) async {
        blobs.withLock { $0[blob.id] = blob.sealed }
    }

    func load(_ id: BlobID, kind: BlobKind) async throws -> [UInt8] {
        loaded.withLock { $0[kind, default: 0] += 1 }
        guard let bytes = blobs.withLock({ $0[id] }) else {
            throw RepositoryError(
                code: .missing(object: "blob \(id.hex)"), message: "blob \(id.hex) is missing")
        }
        return bytes
    }

    /// Stores a tree as it is, hostile or not, and answers its id.
    func store(_ json: String) -> BlobID {
        let bytes = Array(json.utf8)
        let id = BlobID(hashing: bytes)
        blobs.withLock { $0[id] = bytes }
        return id
    }

    func remove(_ id: BlobID) {
        blobs.withLock { $0[id] = nil }
    }
}
