import Glibc
import ObjectStore
import Platform
import Testing

@testable import Repository

/// Damage anywhere is found, and said where.
@Suite(.timeLimit(.minutes(5)))
struct CorruptionTests {
    @Test("A byte changed anywhere in any object is found by a check that names the object")
    func flippedBytes() async throws {
        let fixture = try await RepositoryFixture()
        _ = try await fixture.writeBackup()
        let repository = fixture.repository
        #expect(try await repository.check(readData: true).isSound)
        var seen: Set<String> = []
        for entry in try await repository.store.list(.all) {
            seen.insert(String(entry.name.segments[0]))
            let path = fixture.path + "/" + entry.name.text
            let bytes = try DurableFile.read(path, limitBytes: 64 << 20)
            var positions = (0..<10).map { _ in Int.random(in: 0..<bytes.count) }
            positions += [
                0, 1, bytes.count - 1, bytes.count - 2, bytes.count - 5, bytes.count - 40,
            ]
            for position in positions {
                var altered = bytes
                altered[position] ^= UInt8.random(in: 1...255)
                try DurableFile.write(altered, to: path)
                let report = try await repository.check(readData: true)
                #expect(!report.isSound, "\(entry.name) at \(position)")
                #expect(
                    report.failures.contains { $0.description.contains(entry.name.text) },
                    "\(entry.name) at \(position): \(report.failures)")
            }
            for length in [0, 1, bytes.count / 2, bytes.count - 1] {
                try DurableFile.write(Array(bytes[..<length]), to: path)
                let report = try await repository.check(readData: true)
                #expect(!report.isSound, "\(entry.name) cut to \(length)")
            }
            try DurableFile.write(bytes, to: path)
        }
        #expect(seen == ["config", "data", "index", "keys", "snapshots"])
        #expect(try await repository.check(readData: true).isSound)
    }

    @Test(
        "An object under another object's name is not taken for it",
        arguments: ["snapshots", "index"])
    func renamed(kind: String) async throws {
        let fixture = try await RepositoryFixture()
        _ = try await fixture.writeBackup()
        let entry = try #require(
            try await fixture.repository.store.list(ObjectPrefix(kind + "/")).first)
        let other = kind + "/" + String(repeating: "a", count: 64)
        let renamed = unsafe rename(
            fixture.path + "/" + entry.name.text, fixture.path + "/" + other)
        #expect(renamed == 0)
        let report = try await fixture.repository.check(readData: false)
        #expect(report.failures.contains { $0.code == .corrupt(object: other) })
    }

    @Test("Missing packs, index files and blobs are said to be missing")
    func missing() async throws {
        let fixture = try await RepositoryFixture()
        let (packs, _) = try await fixture.writeBackup()
        let repository = fixture.repository
        let source = try await repository.blobSource()
        let data = try #require(packs.first { $0.blobs.first?.kind == .data })
        let name = try ObjectName.pack(data.id)
        try await repository.store.delete(name)
        let report = try await repository.check(readData: true)
        #expect(report.failures.map(\.code) == [.missing(object: name.text)])
        let error = await #expect(throws: RepositoryError.self) {
            try await source.load(data.blobs[0].id, kind: .data)
        }
        #expect(error?.code == .missing(object: name.text))
        await #expect(throws: RepositoryError.self) {
            try await repository.verifyPackHeaders([data])
        }
        for id in try await repository.ids(of: .index) { try await repository.remove(.index, id) }
        let empty = try await repository.check(readData: true)
        #expect(empty.failures.count == 1)
        #expect(empty.orphans.count == 1)
    }

    @Test("A host's claim that differs from a pack's header is refused")
    func falseClaims() async throws {
        let fixture = try await RepositoryFixture()
        let (packs, _) = try await fixture.writeBackup()
        let repository = fixture.repository
        try await repository.verifyPackHeaders(packs)
        var random = SystemRandomNumberGenerator()
        try await repository.readBackSample(packs, count: 10, using: &random)
        let pack = packs[0]
        let blob = pack.blobs[0]
        let other = PackedBlob(
            id: BlobID(hashing: [9]), kind: blob.kind, offset: blob.offset, length: blob.length,
            uncompressedLength: blob.uncompressedLength)
        let claims = [
            PackDescription(id: pack.id, bytes: pack.bytes + 1, blobs: pack.blobs),
            PackDescription(id: pack.id, bytes: pack.bytes, blobs: Array(pack.blobs.dropFirst())),
            PackDescription(
                id: pack.id, bytes: pack.bytes, blobs: [other] + pack.blobs.dropFirst()),
        ]
        for claim in claims {
            await #expect(throws: RepositoryError.self) {
                try await repository.verifyPackHeaders([claim])
            }
        }
    }

    @Test("A read-back sample finds an altered blob")
    func readBack() async throws {
        let fixture = try await RepositoryFixture()
        let (packs, _) = try await fixture.writeBackup()
        let pack = try #require(packs.first { $0.blobs.first?.kind == .data })
        let name = try ObjectName.pack(pack.id)
        let path = fixture.path + "/" + name.text
        var bytes = try DurableFile.read(path, limitBytes: 64 << 20)
        bytes[1000] ^= 1
        try DurableFile.write(bytes, to: path)
        try await fixture.repository.verifyPackHeaders(packs)
        var random = SystemRandomNumberGenerator()
        await #expect(throws: RepositoryError.self) {
            try await fixture.repository.readBackSample(packs, count: 100, using: &random)
        }
    }
}
