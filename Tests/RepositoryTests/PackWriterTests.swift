import ObjectStore
import Platform
import Testing

@testable import Repository

/// What a run writes: each blob once, nothing unverified, never too much at once.
@Suite(.timeLimit(.minutes(3)))
struct PackWriterTests {
    @Test("Of many tasks that add the same blobs, each blob is stored once, in packs of one kind")
    func onceOnly() async throws {
        let fixture = try await RepositoryFixture()
        let writer = PackWriter(
            store: fixture.repository.store, codec: fixture.repository.codec,
            options: .init(packBytes: 1 << 20))
        let blobs = (0..<60).map { _ in Random.bytes(100_000) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    for blob in blobs.shuffled() {
                        try await writer.add(writer.prepare(blob, kind: .data))
                        try await writer.add(writer.prepare(Array(blob[..<50]), kind: .tree))
                    }
                }
            }
            try await group.waitForAll()
        }
        let packs = try await writer.finish()
        let stored = packs.flatMap(\.blobs)
        #expect(stored.count == 120)
        #expect(Set(stored.map(\.id)).count == 120)
        for pack in packs {
            #expect(Set(pack.blobs.map(\.kind)).count == 1)
            #expect(pack.bytes <= 2 << 20)
            try await fixture.repository.verifyPack(pack.id, expected: pack.blobs)
        }
        try await fixture.repository.verifyPackHeaders(packs)
        #expect(packs.filter { $0.blobs[0].kind == .tree }.count == 1)
        let statistics = await writer.currentStatistics()
        #expect(statistics.dataBlobs == 60)
        #expect(statistics.treeBlobs == 60)
        #expect(statistics.addedBytes == 60 * 100_050)
        #expect(statistics.packs == packs.count)
        // They are all found again through an index.
        _ = try await fixture.repository.writeIndex(packs)
        let source = try await fixture.repository.blobSource(cacheBytes: 3 << 20)
        for blob in blobs {
            #expect(try await source.load(BlobID(hashing: blob), kind: .data) == blob)
        }
    }

    @Test("What is known already is neither sealed nor stored")
    func known() async throws {
        let fixture = try await RepositoryFixture()
        let old = Random.bytes(1000)
        let oldID = BlobID(hashing: old)
        let writer = PackWriter(
            store: fixture.repository.store, codec: fixture.repository.codec,
            isKnown: { id, kind in id == oldID && kind == .data })
        let prepared = try writer.prepare(old, kind: .data)
        #expect(prepared.sealed == nil)
        #expect(prepared.id == oldID)
        try await writer.add(prepared)
        #expect(try await writer.finish().isEmpty)
        #expect(try await fixture.repository.store.list(ObjectPrefix("data/")).isEmpty)
    }

    @Test("A blob that is not what its id says is never published")
    func verified() async throws {
        let fixture = try await RepositoryFixture()
        let codec = fixture.repository.codec
        let writer = PackWriter(store: fixture.repository.store, codec: codec)
        let lie = try codec.encode(Random.bytes(1000), id: BlobID(hashing: [1]), kind: .data)
        try await writer.add(lie)
        let error = await #expect(throws: RepositoryError.self) { try await writer.finish() }
        #expect(error?.code == .verificationFailed)
        #expect(try await fixture.repository.store.list(ObjectPrefix("data/")).isEmpty)
        await #expect(throws: RepositoryError.self) {
            try await writer.add(try writer.prepare([1], kind: .data))
        }
    }

    @Test("Each pack is journaled after it is durable, at most the allowed number is on its way")
    func journal() async throws {
        let fixture = try await RepositoryFixture()
        let store = fixture.repository.store
        let journaled = Locked<[BlobID]>([])
        let counts = Locked((now: 0, most: 0))
        let writer = PackWriter(
            store: store, codec: fixture.repository.codec,
            options: .init(packBytes: 1 << 20, packsInFlight: 2),
            packIsDurable: { pack in
                counts.withLock { counts in
                    counts.now += 1
                    counts.most = max(counts.most, counts.now)
                }
                let stored = try await store.size(of: .pack(pack.id))
                #expect(stored == pack.bytes)
                await Task.yield()
                journaled.withLock { $0.append(pack.id) }
                counts.withLock { $0.now -= 1 }
            })
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<6 {
                        try await writer.add(writer.prepare(Random.bytes(400_000), kind: .data))
                    }
                }
            }
            try await group.waitForAll()
        }
        let packs = try await writer.finish()
        #expect(packs.count > 10)
        #expect(Set(journaled.withLock { $0 }) == Set(packs.map(\.id)))
        #expect(counts.withLock { $0.most } <= 2)
    }

    @Test("When the journal or the store fails, the run is over and says so")
    func failure() async throws {
        struct Stop: Error {}
        let fixture = try await RepositoryFixture()
        let writer = PackWriter(
            store: fixture.repository.store, codec: fixture.repository.codec,
            packIsDurable: { _ in throw Stop() })
        try await writer.add(writer.prepare([1, 2, 3], kind: .data))
        await #expect(throws: Stop.self) { try await writer.finish() }
        let place = fixture.place.path + "/gone"
        let gone = try DirectoryStore(root: place, create: true)
        try removeTree(at: place)
        let second = PackWriter(store: gone, codec: fixture.repository.codec)
        try await second.add(second.prepare([1, 2, 3], kind: .data))
        let error = await #expect(throws: RepositoryError.self) { try await second.finish() }
        #expect(error?.code == .store)
    }

    @Test("An index of 130,000 blobs is split into files of 50,000, no pack apart, all found")
    func indexSplit() throws {
        let packs = (0..<130).map { pack in
            PackDescription(
                id: BlobID(hashing: Array("pack \(pack)".utf8)), bytes: 0,
                blobs: (0..<1000).map { blob in
                    PackedBlob(
                        id: BlobID(hashing: Array("\(pack) \(blob)".utf8)), kind: .data,
                        offset: UInt32(blob * 100), length: 100, uncompressedLength: nil)
                })
        }
        let files = IndexFile.split(packs)
        #expect(files.map { $0.packs.count } == [50, 50, 30])
        var index = RepositoryIndex()
        for pack in files.flatMap(\.packs) { index.insert(pack) }
        index.insert(packs[3])
        #expect(index.blobCount == 130_000)
        #expect(index.packs.count == 130)
        for pack in packs {
            for blob in pack.blobs {
                let found = index.location(of: blob.id, kind: .data)
                guard found?.pack.id == pack.id, found?.blob == blob else {
                    Issue.record("blob \(blob.id) is not found")
                    return
                }
            }
        }
        #expect(index.location(of: packs[0].blobs[0].id, kind: .tree) == nil)
        #expect(!index.contains(BlobID(hashing: []), kind: .data))
    }
}
