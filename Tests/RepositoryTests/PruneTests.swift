import Glibc
import ObjectStore
import Platform
import Testing

@testable import Repository

/// A prune removes what no backup needs, and nothing else.
@Suite(.timeLimit(.minutes(10)))
struct PruneTests {
    /// So thorough that every kind of step occurs.
    static let options = PruneOptions(unusedPermille: 0, smallPackCount: 3)

    /// Whether the long form of the tests is wanted.
    static var isSoak: Bool { unsafe getenv("BERTH_SOAK") != nil }

    static func prune(
        _ repository: OpenRepository, options: PruneOptions = options
    ) async throws -> PruneRemoval {
        let prune = Prune(repository, options: options)
        let plan = try await prune.plan()
        _ = try await prune.compact(plan)
        return try await prune.sweep(plan)
    }

    @Test("What is left after forget and prune is whole, for restic too, and the rest is gone")
    func wholeAndSmall() async throws {
        let history = try await BackupHistory(seed: 7)
        let repository = history.repository
        let backups = try await history.backUp(count: 8)
        let golden = try await TreeListing(of: history.volume)
        for backup in backups[1..<6] { try await repository.removeSnapshot(backup.id) }
        let before = try await repository.packsInStore().values.reduce(0, +)
        let plan = try await Prune(repository, options: Self.options).plan()
        #expect(plan.unusedPacks + plan.repackedPacks > 0)
        #expect(plan.bytes == before)
        let removal = try await Self.prune(repository)
        let after = try await repository.packsInStore().values.reduce(0, +)
        #expect(after < before)
        #expect(removal.removedPacks > 0)
        #expect(removal.keptPacks == 0)
        // Nothing is left that nobody needs, and nothing is in two packs.
        var census = RepositoryCensus()
        try await census.take(of: repository)
        #expect(
            census.indexed.values.flatMap(\.blobs).count == census.used.count)
        #expect(Set(census.present.keys) == Set(census.indexed.keys))
        #expect(try await RepositoryLock.all(in: repository).isEmpty)
        #expect(try await repository.check(readData: true).isSound)
        try await BackupHistory.readAll([backups[0].root, backups[7].root], in: repository)
        let restic = history.fixture.restic
        let check = try await restic.run("check", "--read-data")
        #expect(check.isSuccess, "\(check.errorText)")
        #expect(check.text.contains("no errors were found"))
        let target = history.fixture.place.path + "/restored"
        let restore = try await restic.run("restore", backups[7].id.hex, "--target", target)
        #expect(restore.isSuccess, "\(restore.errorText)")
        let restored = try await TreeListing(of: target + "/project")
        #expect(golden.difference(to: restored) == [])
        // Restic's own prune finds nothing more to remove.
        let stock = try await restic.run("prune", "--max-unused", "0", "--dry-run")
        #expect(stock.text.contains("to delete:             0 blobs"), "\(stock.text)")
        #expect(try await Prune(repository, options: PruneOptions()).plan().marked.isEmpty)
    }

    @Test("Many small packs and index files become few")
    func merging() async throws {
        let history = try await BackupHistory(seed: 11)
        let repository = history.repository
        let backups = try await history.backUp(count: 12)
        #expect(try await repository.ids(of: .index).count == 12)
        _ = try await Self.prune(repository, options: PruneOptions())
        #expect(try await repository.packsInStore().count == 2)
        #expect(try await repository.ids(of: .index).count == 1)
        try await BackupHistory.readAll(backups.map(\.root), in: repository)
        #expect(try await history.fixture.restic.run("check", "--read-data").isSuccess)
    }

    @Test("A prune of a damaged repository removes nothing and says what is missing")
    func damaged() async throws {
        let history = try await BackupHistory(seed: 13)
        let repository = history.repository
        let backups = try await history.backUp(count: 4)
        try await repository.removeSnapshot(backups[0].id)
        let plan = try await Prune(repository, options: Self.options).plan()
        let index = try await repository.loadIndex()
        let root = try #require(index.location(of: backups[3].root, kind: .tree))
        try await repository.store.delete(.pack(root.pack.id))
        let before = try await repository.store.list(.all)
        let prune = Prune(repository, options: Self.options)
        for step in [0, 1, 2] {
            let error = await #expect(throws: RepositoryError.self) {
                switch step {
                case 0: _ = try await prune.plan()
                case 1: _ = try await prune.compact(plan)
                default: _ = try await prune.sweep(plan)
                }
            }
            if case .missing = error?.code {} else { Issue.record("\(error as Any)") }
        }
        #expect(try await repository.store.list(.all) == before)
    }

    @Test("Cut short behind any single write or deletion, a prune loses nothing and can go on")
    func everyStep() async throws {
        let history = try await BackupHistory(seed: 17)
        let backups = try await history.backUp(count: 6)
        for backup in backups[0..<3] { try await history.repository.removeSnapshot(backup.id) }
        // What a backup left that died.
        try history.change()
        _ = try await history.upload(base: backups[5].root)
        let kept = backups[3...].map(\.root)
        var step = 0
        var isDone = false
        while !isDone {
            let clone = try await history.cloned()
            let mortal = MortalStore(clone.repository.store, steps: step)
            let dying = try await OpenRepository.open(mortal, key: clone.repository.key)
            let plan = try await Prune(dying, options: Self.options).plan()
            do {
                _ = try await Prune(dying, options: Self.options).compact(plan)
                _ = try await Prune(dying, options: Self.options).sweep(plan)
                isDone = !mortal.isDead
            } catch let error as RepositoryError {
                #expect(mortal.isDead, "\(error)")
            }
            let report = try await clone.repository.check(readData: true)
            #expect(report.isSound, "after \(step) steps: \(report.failures)")
            try await BackupHistory.readAll(kept, in: clone.repository)
            // Stock restic agrees; after every step in the soak.
            let asksRestic = Self.isSoak || step % 5 == 1
            if asksRestic {
                let check = try await clone.restic.run("check", "--read-data", "--no-lock")
                #expect(check.isSuccess, "after \(step) steps: \(check.errorText)")
            }
            // Whoever goes on with the same marks comes to the same end.
            let prune = Prune(clone.repository, options: Self.options)
            _ = try await prune.compact(plan)
            _ = try await prune.sweep(plan)
            try await BackupHistory.readAll(kept, in: clone.repository)
            #expect(try await RepositoryLock.all(in: clone.repository).isEmpty)
            let left = try await prune.plan()
            #expect(left.unusedPacks == 0, "after \(step) steps")
            if asksRestic { #expect(try await clone.restic.run("check", "--read-data").isSuccess) }
            step += 1
        }
        // Two locks, packs, index files, deletions.
        #expect(step > 10)
    }
}
