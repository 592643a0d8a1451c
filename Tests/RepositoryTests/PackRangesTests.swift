import Glibc
import ObjectStore
import Platform
import Testing

@testable import Repository

@Suite("Ranges of packs")
struct PackRangesTests {
    private static func id(_ number: Int) -> BlobID { BlobID(hashing: Array("\(number)".utf8)) }

    /// Blobs of 1,000 bytes each, those of one pack side by side.
    private static func index(_ packs: [[Int]]) -> RepositoryIndex {
        RepositoryIndex(
            packs.enumerated().map { position, numbers in
                let blobs = numbers.enumerated().map { place, number in
                    PackedBlob(
                        id: id(number), kind: .data, offset: UInt32(place * 1_000), length: 1_000,
                        uncompressedLength: nil)
                }
                return PackDescription(
                    id: id(1_000_000 + position), bytes: PackHeader.packBytes(of: blobs),
                    blobs: blobs)
            })
    }

    private static func schedule(
        _ ranges: inout PackRanges, _ groups: [[Int]], _ index: RepositoryIndex
    ) -> BlobSchedule {
        ranges.schedule(groups.map { $0.map(id) }) { index.location(of: $0, kind: .data) }
    }

    @Test("What lies side by side is one piece, in the order of its bytes, however it is named")
    func order() {
        var ranges = PackRanges()
        let index = Self.index([Array(0..<100)])
        let schedule = Self.schedule(&ranges, [[30], [], [10], [20], [10]], index)
        #expect(schedule.order == [1, 2, 4, 3, 0])
        #expect(schedule.fetches.count == 1)
        guard case .fetch(let range) = ranges.turn(schedule.fetches[0].piece) else {
            Issue.record("nothing is to be fetched")
            return
        }
        #expect(range.bytes == 10_000..<31_000)
    }

    @Test("A piece has a bound, and what lies far apart is not fetched together")
    func bounds() {
        var ranges = PackRanges()
        let index = Self.index([Array(0..<9_000)])
        let near = Self.schedule(&ranges, (0..<9_000).map { [$0] }, index)
        #expect(near.fetches.count == 3)
        var others = PackRanges()
        let far = Self.schedule(&others, [[0], [2_000], [2_010]], index)
        #expect(far.fetches.map(\.position) == [0, 1])
    }

    @Test("A piece is held until each blob was taken as often as it was named")
    func uses() {
        var ranges = PackRanges()
        let index = Self.index([Array(0..<10)])
        let piece = Self.schedule(&ranges, [[1], [2], [1]], index).fetches[0].piece
        _ = ranges.turn(piece)
        ranges.settle(piece, [1, 2, 3])
        ranges.use([Self.id(1)])
        ranges.use([Self.id(2)])
        // More often than it was named counts for nobody else.
        ranges.use([Self.id(2)])
        #expect(ranges.range(of: Self.id(1)) == piece)
        ranges.use([Self.id(1)])
        #expect(ranges.range(of: Self.id(1)) == nil)
        #expect(ranges.range(of: Self.id(2)) == nil)
    }

    @Test("Beyond the limit the oldest piece is let go, and its blobs are no part of one any more")
    func limit() {
        var ranges = PackRanges()
        let index = RepositoryIndex(
            (1...3).map { number in
                let blob = PackedBlob(
                    id: Self.id(number), kind: .data, offset: 0,
                    length: UInt32(PackRanges.heldBytes / 2), uncompressedLength: nil)
                return PackDescription(
                    id: Self.id(number * 100), bytes: PackHeader.packBytes(of: [blob]),
                    blobs: [blob])
            })
        let pieces = Self.schedule(&ranges, [[1], [2], [3]], index).fetches.map(\.piece).sorted()
        for piece in pieces {
            _ = ranges.turn(piece)
            ranges.settle(piece, [])
        }
        var taken = 0
        for piece in pieces {
            if case .take = ranges.turn(piece) { taken += 1 }
        }
        #expect(taken == 2)
        guard case .none = ranges.turn(pieces[0]) else {
            Issue.record("the oldest is still held")
            return
        }
    }

    @Test(
        "A restore fetches each byte once, although the names are in another order than the packs")
    func once() async throws {
        let place = try TemporaryDirectory()
        let made = try await ChildProcess.run(
            "bash",
            [
                "-c",
                // Written in an order that is no order of names, in many directories.
                """
                mkdir "$0/volume" && cd "$0/volume" && mkdir $(seq 40) &&
                for file in $(seq 60); do for name in $(seq 40 | shuf --random-source=/bin/sh); do
                    head -c 3000 /dev/urandom > $name/$file
                done; done
                """, place.path,
            ], deadline: .seconds(60))
        #expect(made.isSuccess, "\(made.errorText)")
        let fixture = try await RepositoryFixture()
        let store = CountingStore(fixture.repository.store)
        let repository = OpenRepository(
            store: store, key: fixture.repository.key,
            polynomial: fixture.repository.config.polynomial)
        let writer = PackWriter(store: store, codec: repository.codec)
        let summary = try await Backup(
            path: place.path + "/volume", sink: writer, polynomial: repository.config.polynomial
        ).run()
        let packs = try await writer.finish()
        let index = RepositoryIndex(packs)
        try makeDirectory(place.path + "/target")
        let target = try Descriptor(
            opening: place.path + "/target", flags: O_RDONLY | O_DIRECTORY)
        store.forget()
        _ = try await Restore(
            source: repository.blobSource(index: index), target: target, policy: .faithful
        ).run(.volume, of: summary.rootTree)
        let stored = packs.reduce(0) { $0 + $1.bytes }
        #expect(store.fetchedBytes <= stored)
        #expect(store.gets <= 20, "\(store.gets) requests")
        let same = try await ChildProcess.run(
            "diff", ["-r", place.path + "/volume", place.path + "/target"])
        #expect(same.isSuccess, "\(same.errorText)")
    }
}

@Suite("A blob in several packs")
struct BlobCopyTests {
    @Test("One that is damaged or gone in one pack is read from another, alone and with others")
    func copies() async throws {
        let fixture = try await RepositoryFixture()
        let repository = fixture.repository
        let (blob, other) = (try randomBytes(5_000), try randomBytes(4_000))
        var packs: [PackDescription] = []
        for contents in [[blob, other], [blob], [try randomBytes(10), blob]] {
            let writer = PackWriter(store: repository.store, codec: repository.codec)
            for content in contents {
                let blob = try writer.prepare(content, kind: .data)
                try await writer.add(blob)
            }
            packs += try await writer.finish()
        }
        let index = RepositoryIndex(packs)
        let (id, second) = (BlobID(hashing: blob), BlobID(hashing: other))
        let first = try #require(index.location(of: id, kind: .data))
        let places = [first] + index.furtherLocations(of: id, kind: .data)
        #expect(Set(places.map(\.pack.id)) == Set(packs.map(\.id)))
        for (number, place) in places.enumerated() {
            for isScheduled in [false, true] {
                let source = repository.blobSource(index: index)
                if isScheduled { _ = await source.schedule([[id], [second]]) }
                #expect(try await source.load(id, kind: .data) == blob)
                #expect(try await source.load([id, second], kind: .data) == [blob, other])
            }
            let name = try ObjectName.pack(place.pack.id).text
            let path = "\(fixture.path)/\(name)"
            if number == 1 {
                try systemCall("remove a pack") { unsafe unlink(path) }
                continue
            }
            var bytes = try DurableFile.read(path)
            bytes[Int(place.blob.offset) + 100] ^= 1
            try systemCall("remove a pack") { unsafe unlink(path) }
            try DurableFile.write(bytes, to: path)
        }
        let error = await #expect(throws: RepositoryError.self) {
            try await repository.blobSource(index: index).load(id, kind: .data)
        }
        let text = "\(try #require(error))"
        #expect(text.contains(first.pack.id.hex))
    }
}

/// Counts what is read of a real store.
private final class CountingStore: PassingStore {
    let store: any ObjectStorage
    private let counts = Locked((gets: 0, bytes: Int64(0)))

    var gets: Int { counts.withLock { $0.gets } }
    var fetchedBytes: Int64 { counts.withLock { $0.bytes } }

    init(_ store: any ObjectStorage) { self.store = store }

    func forget() { counts.withLock { $0 = (0, 0) } }

    func get(_ name: ObjectName, range: Range<Int64>?, limitBytes: Int) async throws -> [UInt8] {
        let bytes = try await store.get(name, range: range, limitBytes: limitBytes)
        counts.withLock {
            $0.gets += 1
            $0.bytes += Int64(bytes.count)
        }
        return bytes
    }
}
