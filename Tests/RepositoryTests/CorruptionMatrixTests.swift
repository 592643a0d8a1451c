import Glibc
import ObjectStore
import Platform
import Testing

@testable import Repository

/// Every object of a repository, damaged in every way: a check names it, and no restore comes out
/// wrong without saying so.
@Suite(.timeLimit(.minutes(5)))
struct CorruptionMatrixTests {
    enum Damage: CaseIterable {
        case flippedFirst, flippedMiddle, flippedLast, cutToHalf, cutByOne, emptied, grown, missing
        case swapped
    }

    /// Damages an object; answers what it should be.
    private static func apply(
        _ damage: Damage, to path: String, other: [UInt8]
    ) throws -> [UInt8] {
        let bytes = try DurableFile.read(path, limitBytes: 64 << 20)
        var damaged = bytes
        switch damage {
        case .flippedFirst: damaged[0] ^= 0x10
        case .flippedMiddle: damaged[bytes.count / 2] ^= 0x01
        case .flippedLast: damaged[bytes.count - 1] ^= 0x80
        case .cutToHalf: damaged.removeLast(bytes.count - bytes.count / 2)
        case .cutByOne: damaged.removeLast()
        case .emptied: damaged = []
        case .grown: damaged.append(0)
        case .swapped: damaged = other
        case .missing:
            unsafe unlink(path)
            return bytes
        }
        try DurableFile.write(damaged, to: path)
        return bytes
    }

    @Test("Every damage to every object is named by a check, and nothing wrong is restored")
    func matrix() async throws {
        let history = try await BackupHistory(seed: 23)
        let backups = try await history.backUp(count: 3)
        let repository = history.repository
        let expected = Set(backups.map(\.id))
        let entries = try await repository.store.list(.all)
        var cases = 0
        var refused = 0
        var deltasRefused = 0
        let former = try TemporaryDirectory()
        try await Self.restore(backups[0].root, from: history, to: former.path)
        for (number, entry) in entries.enumerated() {
            let path = history.fixture.path + "/" + entry.name.text
            let neighbour = entries[(number + 1) % entries.count]
            let other = try DurableFile.read(
                history.fixture.path + "/" + neighbour.name.text, limitBytes: 64 << 20)
            for damage in Damage.allCases {
                let bytes = try Self.apply(damage, to: path, other: other)
                let report = try await repository.check(.all, expected: expected)
                #expect(
                    report.failures.contains { Self.names(entry.name, damage, $0) },
                    "\(entry.name) \(damage): \(report.failures)")
                refused += try await Self.restore(backups.map(\.root), from: history)
                let isRefused = try await Self.isDeltaRefused(
                    former.path, from: backups[0].root, to: backups[2].root, history)
                deltasRefused += isRefused ? 1 : 0
                try DurableFile.write(bytes, to: path)
                cases += 1
            }
        }
        #expect(cases == entries.count * Damage.allCases.count)
        #expect(cases > 100)
        #expect(refused > cases / 2)
        #expect(deltasRefused > cases / 8 && deltasRefused < cases)
        #expect(try await repository.check(.all, expected: expected).isSound)
    }

    /// A missing index file is told by what is found nowhere without it; a missing key file by the
    /// directory that has none.
    private static func names(
        _ name: ObjectName, _ damage: Damage, _ failure: RepositoryError
    ) -> Bool {
        if failure.description.contains(name.text) { return true }
        guard damage == .missing else { return false }
        switch name.segments[0] {
        case "index": return failure.description.contains("is in no pack of the index")
        case "keys": return failure.description.contains("keys/")
        default: return false
        }
    }

    /// Restores every backup and reads it again; answers how many restores were refused.
    private static func restore(
        _ roots: [BlobID], from history: BackupHistory
    ) async throws -> Int {
        var refused = 0
        for root in roots {
            let place = try TemporaryDirectory()
            let target = try Descriptor(opening: place.path, flags: O_RDONLY | O_DIRECTORY)
            do {
                let repository = try await OpenRepository.open(
                    history.repository.store, key: history.repository.key)
                _ = try await Restore(
                    source: try await repository.blobSource(), target: target, policy: .faithful
                ).run(.volume, of: root)
            } catch is RepositoryError {
                refused += 1
                continue
            }
            let again = try await Backup(
                path: place.path, sink: MemoryBlobs(),
                polynomial: history.repository.config.polynomial
            ).run()
            #expect(again.rootTree == root, "a restore came out wrong and said nothing")
        }
        return refused
    }

    private static func restore(
        _ root: BlobID, from history: BackupHistory, to path: String
    ) async throws {
        let target = try Descriptor(opening: path, flags: O_RDONLY | O_DIRECTORY)
        _ = try await Restore(
            source: try await history.repository.blobSource(), target: target, policy: .faithful
        ).run(.volume, of: root)
    }

    /// Makes a copy of one backup's state into another's; whether that was refused.
    private static func isDeltaRefused(
        _ former: String, from: BlobID, to root: BlobID, _ history: BackupHistory
    ) async throws -> Bool {
        let place = try TemporaryDirectory()
        let copied = try await ChildProcess.run("cp", ["-a", former + "/.", place.path])
        guard copied.isSuccess else { throw CommandFailed("copy a state", copied) }
        let target = try Descriptor(opening: place.path, flags: O_RDONLY | O_DIRECTORY)
        let found: BlobID?
        do {
            let repository = try await OpenRepository.open(
                history.repository.store, key: history.repository.key)
            // What is scattered is fetched by ranges.
            let source = repository.blobSource(
                index: try await repository.loadIndex(), wholePackLimit: 1_000)
            found = try await RestoreDelta(
                source: source, target: target,
                proof: RestoreProof(sink: HashingSink()) { source.length(of: $0, kind: .data) },
                length: { source.length(of: $0, kind: .data) }
            ).run(from: from, to: root).rootTree
        } catch is RepositoryError {
            return true
        }
        #expect(found == root)
        let again = try await Backup(
            path: place.path, sink: HashingSink(),
            polynomial: history.repository.config.polynomial
        ).run()
        #expect(again.rootTree == root, "a restore came out wrong and said nothing")
        return false
    }

    @Test("A full check in pieces reads each pack once, goes on where it was, and then rests")
    func pieces() async throws {
        let history = try await BackupHistory(seed: 29)
        _ = try await history.backUp(count: 5)
        let repository = history.repository
        let packs = try await repository.packsInStore()
        var lastRead: [BlobID: Int64] = [:]
        var rounds = 0
        repeat {
            let report = try await repository.check(
                .oldest(limitBytes: 100_000, due: 1_000, lastRead: lastRead))
            #expect(report.isSound)
            #expect(report.packsRead.allSatisfy { lastRead[$0] == nil })
            #expect(!report.packsRead.isEmpty)
            #expect(report.packsLeft == packs.count - lastRead.count - report.packsRead.count)
            for pack in report.packsRead { lastRead[pack] = 1_000 + Int64(rounds) }
            rounds += 1
        } while lastRead.count < packs.count && rounds < 100
        #expect(lastRead.count == packs.count)
        #expect(rounds > 1)
        // All are read since the due time; later the one that was read first comes first.
        let rested = try await repository.check(
            .oldest(limitBytes: 1, due: 1_000, lastRead: lastRead))
        #expect(rested.packsRead.isEmpty && rested.packsLeft == 0)
        let next = try await repository.check(
            .oldest(limitBytes: 1, due: 2_000, lastRead: lastRead))
        #expect(next.packsRead.map { lastRead[$0] } == [1_000])
        let sampled = try await repository.check(.sample(permille: 1))
        #expect(sampled.packsRead.count == 1)
    }

    @Test("A file whose blobs do not add up to its size is found")
    func wrongSize() async throws {
        let fixture = try await RepositoryFixture()
        let repository = fixture.repository
        let writer = PackWriter(store: repository.store, codec: repository.codec)
        let text = try writer.prepare(Array("hello".utf8), kind: .data)
        try await writer.add(text)
        var node = Node(
            name: Array("file".utf8), kind: .file, mode: NodeMode(rawValue: 0o644),
            modified: NodeTime(seconds: 0), uid: 0, gid: 0)
        node.sizeBytes = 6
        node.content = [text.id]
        let tree = try writer.prepare(TreeEncoder.encode([node]), kind: .tree)
        try await writer.add(tree)
        _ = try await repository.writeIndex(try await writer.finish())
        _ = try await repository.writeSnapshot(
            SnapshotFile(
                time: NodeTime(seconds: 0), tree: tree.id, paths: ["/"], hostname: "test"))
        let report = try await repository.check(.all)
        #expect(report.failures.map(\.code) == [.corrupt(object: "tree \(tree.id)")])
        // Stock restic sees nothing wrong with it (issue #1887).
        #expect(try await fixture.restic.run("check", "--read-data").isSuccess)
    }
}
