import ObjectStore
import Platform
import Repository
import Testing

@testable import Hub

/// A store that alters objects on their way without a word, as some do that compare no digest.
private final class AlteringStore: ObjectStorage {
    private let inner: any ObjectStorage
    private let puts = Locked(0)
    private let alters: @Sendable (Int) -> Bool

    /// - Parameter alters: whether the n-th object, from 1, is altered.
    init(_ inner: any ObjectStorage, alters: @escaping @Sendable (Int) -> Bool) {
        self.inner = inner
        self.alters = alters
    }

    func put(_ name: ObjectName, _ body: ObjectBody) async throws -> Bool {
        let number = puts.withLock { puts in
            puts += 1
            return puts
        }
        guard alters(number), case .bytes(var bytes) = body.source, !bytes.isEmpty else {
            return try await inner.put(name, body)
        }
        bytes[bytes.count / 2] ^= 1
        return try await inner.put(name, .bytes(bytes))
    }

    func get(
        _ name: ObjectName, range: Range<Int64>?, limitBytes: Int
    ) async throws -> [UInt8] {
        try await inner.get(name, range: range, limitBytes: limitBytes)
    }

    func stream(
        _ name: ObjectName, range: Range<Int64>?,
        receive: @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        try await inner.stream(name, range: range, receive: receive)
    }

    func size(of name: ObjectName) async throws -> Int64 { try await inner.size(of: name) }

    func list(_ prefix: ObjectPrefix) async throws -> [ObjectEntry] {
        try await inner.list(prefix)
    }

    func delete(_ name: ObjectName) async throws { try await inner.delete(name) }
}

@Suite("A bucket that alters what it is given", .timeLimit(.minutes(1)))
struct ReadBackStoreTests {
    private static func repository(in store: any ObjectStorage) async throws -> OpenRepository {
        try await OpenRepository.create(
            in: store, password: SecretBytes(Array("password".utf8)),
            origin: KeyFile.Origin(
                created: NodeTime(seconds: 1), username: "berth", hostname: "berth-hub"),
            cost: .randomPassword)
    }

    private static let packs = [
        PackDescription(id: BlobID(hashing: [1]), bytes: 100, blobs: [])
    ]

    private static func file() -> SnapshotFile {
        SnapshotFile(
            time: NodeTime(seconds: 1), tree: BlobID(hashing: [2]), paths: ["/project"],
            hostname: "p")
    }

    @Test(
        "costs another try: key, config, index and snapshot file can be read afterwards",
        arguments: 1...4)
    func isMended(altered: Int) async throws {
        let directory = try TemporaryDirectory(prefix: "berth-altering")
        let inner = try DirectoryStore(root: directory.path + "/r", create: true)
        let store = ReadBackStore(AlteringStore(inner) { $0 == altered })
        let made = try await Self.repository(in: store)
        _ = try await made.writeIndex(Self.packs)
        let snapshot = try await made.writeSnapshot(Self.file())

        let found = try await OpenRepository.open(
            inner, password: SecretBytes(Array("password".utf8)))
        _ = try await found.loadIndex()
        #expect(try await found.snapshots().map(\.id) == [snapshot])
        #expect(try await inner.list(.all).count == 4)
    }

    @Test("every time is a failure that says so, and leaves nothing altered behind")
    func isNamed() async throws {
        let directory = try TemporaryDirectory(prefix: "berth-altering")
        let inner = try DirectoryStore(root: directory.path + "/r", create: true)
        let made = try await Self.repository(in: inner)
        let repository = try await OpenRepository.open(
            ReadBackStore(AlteringStore(inner) { _ in true }), key: made.key)
        do {
            _ = try await repository.writeIndex(Self.packs)
            Issue.record("an altered index was acknowledged")
        } catch {
            #expect("\(error)".contains("read back altered"))
        }
        #expect(try await inner.list(ObjectPrefix("index/")).isEmpty)
    }

    @Test("a repetition mends what an earlier try left altered, and touches nothing of others")
    func repetition() async throws {
        let directory = try TemporaryDirectory(prefix: "berth-altering")
        let inner = try DirectoryStore(root: directory.path + "/r", create: true)
        let bytes = Array("an index".utf8)
        let digest = Digest.sha256(bytes)
        let name = try ObjectName("index/" + hexadecimal(digest))
        try await inner.put(name, .bytes(Array("altered!".utf8)))
        let store = ReadBackStore(inner)
        #expect(try await store.put(name, .bytes(bytes, sha256: digest)))
        #expect(try await inner.get(name, limitBytes: 100) == bytes)

        let config = try ObjectName("config")
        try await inner.put(config, .bytes(Array("theirs".utf8)))
        #expect(try await !store.put(config, .bytes(Array("mine!!".utf8))))
        #expect(try await inner.get(config, limitBytes: 100) == Array("theirs".utf8))
    }
}
