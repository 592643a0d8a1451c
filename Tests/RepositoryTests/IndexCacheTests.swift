import Glibc
import ObjectStore
import Platform
import Testing

@testable import Repository

@Suite("Kept index files")
struct IndexCacheTests {
    private let place: TemporaryDirectory
    private let cache: IndexCache
    private let codec: BlobCodec

    init() throws {
        place = try TemporaryDirectory()
        cache = IndexCache(
            directory: place.path + "/kept", pool: BlockingPool(label: "test", width: 2))
        codec = BlobCodec(key: try RepositoryKey.random())
    }

    private static func file(_ blobs: Int) -> IndexFile {
        IndexFile(
            packs: (0..<3).map { pack in
                let blobs = (0..<blobs).map { blob in
                    PackedBlob(
                        id: BlobID(hashing: Array("\(pack) \(blob)".utf8)),
                        kind: pack == 0 ? .tree : .data, offset: UInt32(blob * 100), length: 100,
                        uncompressedLength: blob % 2 == 0 ? nil : 300)
                }
                return PackDescription(
                    id: BlobID(hashing: [UInt8(pack)]), bytes: PackHeader.packBytes(of: blobs),
                    blobs: blobs)
            })
    }

    @Test("What was kept is read as it was", arguments: [0, 1, 1_000])
    func roundTrip(blobs: Int) async {
        let id = BlobID(hashing: [9])
        #expect(await cache.read(id, codec) == nil)
        await cache.write(id, Self.file(blobs), codec)
        #expect(await cache.read(id, codec) == Self.file(blobs))
    }

    @Test("What is damaged, of another name or under another key is not used")
    func damaged() async throws {
        let (id, other) = (BlobID(hashing: [9]), BlobID(hashing: [8]))
        await cache.write(id, Self.file(10), codec)
        let stranger = BlobCodec(key: try RepositoryKey.random())
        #expect(await cache.read(id, stranger) == nil)
        let path = "\(place.path)/kept/\(id.hex)"
        var bytes = try DurableFile.read(path)
        try DurableFile.write(bytes, to: "\(place.path)/kept/\(other.hex)")
        #expect(await cache.read(other, codec) == nil)
        bytes[bytes.count / 2] ^= 1
        try DurableFile.write(bytes, to: path)
        #expect(await cache.read(id, codec) == nil)
        try DurableFile.write(Array(bytes.prefix(40)), to: path)
        #expect(await cache.read(id, codec) == nil)
    }

    @Test("Only what the repository has is kept, and a repository is the same with it and without")
    func repository() async throws {
        let fixture = try await RepositoryFixture()
        let repository = fixture.repository
        await cache.write(BlobID(hashing: [7]), Self.file(1), repository.codec)
        let ids = try await repository.writeIndex(Self.file(50).packs)
        for _ in 0..<2 {
            let index = try await repository.loadIndex(cache)
            #expect(index.blobCount == 150)
            for pack in Self.file(50).packs {
                #expect(index.pack(pack.id)?.bytes == pack.bytes)
                for blob in pack.blobs {
                    #expect(index.location(of: blob.id, kind: blob.kind)?.blob == blob)
                }
            }
            let kept = try FileSystemDirectory(path: place.path + "/kept").names()
            #expect(kept == ids.map { Array($0.hex.utf8) })
        }
        await cache.remove()
        #expect(unsafe access(place.path + "/kept", F_OK) != 0)
    }
}
