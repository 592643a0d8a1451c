import Glibc
import ObjectStore
import Platform
import Testing

@testable import Repository

/// A damaged repository becomes consistent again with what is still there; a key is replaced.
@Suite(.timeLimit(.minutes(5)))
struct RepairTests {
    private static func flip(_ repository: OpenRepository, _ path: String, at offset: Int) throws {
        var bytes = try DurableFile.read(path, limitBytes: 64 << 20)
        bytes[offset] ^= 1
        try DurableFile.write(bytes, to: path)
    }

    @Test("An index is made anew from the packs, whatever is wrong with it")
    func index() async throws {
        let history = try await BackupHistory(seed: 51)
        let backups = try await history.backUp(count: 4)
        let repository = history.repository
        let ids = try await repository.ids(of: .index)
        let path = { (id: BlobID) in history.fixture.path + "/index/\(id)" }
        try Self.flip(repository, path(ids[0]), at: 40)
        unsafe unlink(path(ids[1]))
        #expect(try await !repository.check(.structure).isSound)
        let report = try await RepositoryRepair(repository).rebuildIndex()
        #expect(report.recoveredPacks >= 2 && report.unreadable.isEmpty)
        #expect(report.replacedFiles == 1)
        #expect(try await repository.check(.all).isSound)
        try await BackupHistory.readAll(backups.map(\.root), in: repository)
        #expect(try await history.fixture.restic.run("check", "--read-data").isSuccess)
        // A pack that is gone is dropped from the index and named.
        let pack = try #require(try await repository.packsInStore().keys.first)
        try await repository.store.delete(.pack(pack))
        let second = try await RepositoryRepair(repository).rebuildIndex()
        #expect(second.missingPacks == [pack])
        #expect(try await repository.loadIndex().pack(pack) == nil)
        // And with nothing wrong nothing changes.
        let before = try await repository.store.list(.all)
        _ = try await RepositoryRepair(repository).rebuildIndex()
        #expect(try await repository.store.list(.all) == before)
    }

    @Test(
        "What is whole of a pack is saved, also where it was cut off or something was added",
        arguments: [-100, 100])
    func wrongLength(difference: Int) async throws {
        let history = try await BackupHistory(seed: 57)
        try history.change(files: 60)
        _ = try await history.backUp(count: 2)
        let repository = history.repository
        let pack = try #require(
            try await repository.files(.index) { try await repository.indexFile($0) }
                .values.flatMap(\.packs).filter { $0.blobs[0].kind == .data }
                .max { $0.blobs.count < $1.blobs.count })
        let path = history.fixture.path + "/" + (try ObjectName.pack(pack.id).text)
        let bytes = try DurableFile.read(path, limitBytes: 64 << 20)
        let changed =
            difference < 0
            ? Array(bytes.dropLast(-difference)) : bytes + Random.bytes(difference)
        try DurableFile.write(changed, to: path)
        let whole = pack.blobs.filter { Int($0.offset) + Int($0.length) <= changed.count }
        #expect(whole.count > 1)
        let repair = RepositoryRepair(repository)
        let report = try await repair.rebuildIndex()
        #expect(report.unreadable.count == 1)
        #expect(try await repository.check(.all).damagedPacks == [pack.id])
        let salvaged = try await repair.salvage([pack.id])
        #expect(salvaged.salvagedBlobs == whole.count)
        #expect(salvaged.lost.count == pack.blobs.count - whole.count)
        let index = try await repository.loadIndex()
        #expect(whole.allSatisfy { index.contains($0.id, kind: $0.kind) })
    }

    @Test("Of a damaged pack the good blobs are saved, and snapshots do without the lost ones")
    func salvage() async throws {
        let history = try await BackupHistory(seed: 53)
        try history.change(files: 60)
        let backups = try await history.backUp(count: 3)
        let repository = history.repository
        let whole = try await TreeListing(of: history.volume)
        // The largest pack of data: one blob in it is hit.
        let packs = try await repository.files(.index) { try await repository.indexFile($0) }
            .values.flatMap(\.packs).filter { $0.blobs[0].kind == .data }
        let pack = try #require(packs.max { $0.blobs.count < $1.blobs.count })
        let hit = pack.blobs[pack.blobs.count / 2]
        try Self.flip(
            repository, history.fixture.path + "/" + (try ObjectName.pack(pack.id).text),
            at: Int(hit.offset) + 20)
        let found = try await repository.check(.all)
        #expect(found.damagedPacks == [pack.id])
        let repair = RepositoryRepair(repository)
        let salvaged = try await repair.salvage(found.damagedPacks)
        #expect(salvaged.lost.map(\.id) == [hit.id])
        #expect(salvaged.salvagedBlobs == pack.blobs.count - 1)
        let report = try await repair.repairSnapshots()
        #expect(report.unreadable.isEmpty && !report.repaired.isEmpty)
        #expect(!report.lostPaths.isEmpty)
        for (old, _, _) in report.repaired { try await repository.removeSnapshot(old) }
        #expect(try await repository.check(.all).isSound)
        let restic = history.fixture.restic
        #expect(try await restic.run("check", "--read-data").isSuccess)
        // The newest snapshot is restored but for the lost paths of its own.
        let newest = report.repaired.first { $0.old == backups[2].id }?.new ?? backups[2].id
        let target = history.fixture.place.path + "/restored"
        #expect(try await restic.run("restore", newest.hex, "--target", target).isSuccess)
        let restored = try await TreeListing(of: target + "/project")
        let lost = whole.lines.count - restored.lines.count
        let own = report.lostPaths.filter {
            $0.hasPrefix(String(backups[2].id.hex.prefix(8)))
        }
        #expect(lost <= max(own.count, report.lostPaths.count))
        #expect(Set(restored.lines).isSubset(of: Set(whole.lines)))
    }

    @Test("A damaged tree becomes an empty directory, and everything beside it stays")
    func tree() async throws {
        let history = try await BackupHistory(seed: 59)
        try history.change(files: 60)
        let backup = try await history.backUp()
        let repository = history.repository
        let index = try await repository.loadIndex()
        let walker = TreeWalker(rootTree: backup.root, source: try await repository.blobSource())
        let directory = try await walker.node(at: Array("d1".utf8))
        let subtree = try #require(directory.subtree)
        let place = try #require(index.location(of: subtree, kind: .tree))
        try Self.flip(
            repository, history.fixture.path + "/" + (try ObjectName.pack(place.pack.id).text),
            at: Int(place.blob.offset) + 20)
        let repair = RepositoryRepair(repository)
        _ = try await repair.salvage(try await repository.check(.all).damagedPacks)
        let report = try await repair.repairSnapshots()
        #expect(report.lostPaths == ["\(backup.id.hex.prefix(8)):/project/d1"])
        let new = try #require(report.repaired.first?.new)
        let file = try await repository.snapshot(new)
        #expect(file.original == backup.id && file.tags == [RepositoryRepair.repairedTag])
        try await repository.removeSnapshot(backup.id)
        #expect(try await history.fixture.restic.run("check", "--read-data").isSuccess)
        let mended = TreeWalker(rootTree: file.tree, source: try await repository.blobSource())
        #expect(try await mended.list(Array("d1".utf8)).isEmpty)
        #expect(try await !mended.list(Array("d0".utf8)).isEmpty)
    }

    @Test("A repository gets another key: the same roots, and the old key opens nothing of it")
    func rekey() async throws {
        let history = try await BackupHistory(seed: 61)
        let backups = try await history.backUp(count: 4)
        let old = history.repository
        let path = history.fixture.place.path + "/new"
        let store = try DirectoryStore(root: path, create: true)
        let new = try await OpenRepository.create(
            in: store, password: RepositoryFixture.password, origin: RepositoryFixture.origin,
            cost: RepositoryFixture.cost, polynomial: old.config.polynomial)
        // Cut short behind every write, and gone on with.
        var step = 0
        while true {
            let mortal = MortalStore(store, steps: step)
            let dying = try await OpenRepository.open(mortal, key: new.key)
            do {
                _ = try await Rekey(from: old, to: dying).run()
                break
            } catch let error as RepositoryError {
                #expect(mortal.isDead, "\(error)")
            }
            #expect(try await new.check(.all).isSound)
            step += 1
        }
        #expect(step > 1)
        let again = try await Rekey(from: old, to: new).run()
        #expect(again.copiedBlobs == 0)
        #expect(again.snapshots.count == 4)
        #expect(try await new.snapshots().map(\.file.tree) == backups.map(\.root))
        try await BackupHistory.readAll(backups.map(\.root), in: new)
        let restic = ResticJudge(path: path)
        let check = try await restic.run("check", "--read-data")
        #expect(check.isSuccess, "\(check.errorText)")
        await #expect(throws: RepositoryError.self) {
            try await OpenRepository.open(store, key: old.key)
        }
        let other = try await OpenRepository.create(
            in: try DirectoryStore(root: path + "2", create: true),
            password: RepositoryFixture.password, origin: RepositoryFixture.origin,
            cost: RepositoryFixture.cost)
        #expect(throws: RepositoryError.self) { try Rekey(from: old, to: other) }
        #expect(throws: RepositoryError.self) { try Rekey(from: old, to: old) }
    }
}
