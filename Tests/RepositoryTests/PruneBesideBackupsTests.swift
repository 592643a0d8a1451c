import ObjectStore
import Platform
import Testing

@testable import Repository

/// A prune beside backups, slow agents and stock restic.
@Suite(.timeLimit(.minutes(10)))
struct PruneBesideBackupsTests {
    /// The steps of a prune, and when a backup's steps come: before the step of this number.
    struct Interleaving: CustomTestStringConvertible, Sendable {
        let upload: Int
        let index: Int
        let record: Int
        var testDescription: String { "upload \(upload), index \(index), record \(record)" }

        /// A backup that is in flight when the marks are made ends before the compaction; one
        /// that is in flight at the compaction ends before the sweep.
        var keepsProtocol: Bool { upload > 0 || record <= 1 }

        static let all: [Interleaving] = (0...3).flatMap { upload in
            (upload...3).flatMap { index in
                (index...3).map { Interleaving(upload: upload, index: index, record: $0) }
            }
        }
    }

    /// A slow agent: its base is old, pinned, and everything after it is forgotten.
    private static func prepared(
        seed: UInt64
    ) async throws -> (BackupHistory, base: BlobID, kept: [BlobID]) {
        let history = try await BackupHistory(seed: seed)
        let backups = try await history.backUp(count: 5)
        for backup in backups[1...3] { try await history.repository.removeSnapshot(backup.id) }
        return (history, backups[0].root, [backups[0].root, backups[4].root])
    }

    @Test(
        "A backup with an old base loses nothing, wherever it is in when a prune takes its steps",
        arguments: Interleaving.all.filter(\.keepsProtocol))
    func interleaved(order: Interleaving) async throws {
        let (history, base, kept) = try await Self.prepared(seed: 31)
        #expect(try await Self.run(order, history, base: base, kept: kept) == [])
    }

    @Test("Without the wait for backups in flight the same test finds what is lost")
    func withoutTheWait() async throws {
        var lost = 0
        for order in Interleaving.all where !order.keepsProtocol && order.index <= 1 {
            let (history, base, kept) = try await Self.prepared(seed: 31)
            lost += try await Self.run(order, history, base: base, kept: kept).count
        }
        #expect(lost > 0)
    }

    /// Runs a prune with a backup's steps in between; answers what was found wrong.
    private static func run(
        _ order: Interleaving, _ history: BackupHistory, base: BlobID, kept: [BlobID]
    ) async throws -> [String] {
        let repository = history.repository
        let prune = Prune(repository, options: PruneTests.options)
        var plan = PrunePlan()
        var backup: BackupHistory.InFlight?
        var roots = kept
        var wrong: [String] = []
        for step in 0...3 {
            if order.upload == step {
                try history.change()
                backup = try await history.upload(base: base)
            }
            if order.index == step, let backup { _ = try await repository.writeIndex(backup.packs) }
            if order.record == step, let backup {
                _ = try await history.record(backup)
                roots.append(backup.root)
            }
            do {
                switch step {
                case 0: plan = try await prune.plan()
                case 1: _ = try await prune.compact(plan)
                case 2: _ = try await prune.sweep(plan)
                default: break
                }
                let report = try await repository.check(.all)
                wrong += report.failures.map(\.description)
                try await BackupHistory.readAll(roots, in: repository)
            } catch let error as RepositoryError {
                wrong.append("\(error)")
            }
        }
        guard wrong.isEmpty else { return wrong }
        let check = try await history.fixture.restic.run("check", "--read-data")
        return check.isSuccess ? [] : [check.errorText]
    }

    @Test("A backup of stock restic's that relies on a marked pack keeps it")
    func resticReusesMarked() async throws {
        let history = try await BackupHistory(seed: 37)
        let repository = history.repository
        let restic = history.fixture.restic
        let first = try await history.backUp()
        try history.change(files: 40)
        let second = try await history.upload(base: nil)
        _ = try await repository.writeIndex(second.packs)
        _ = try await history.record(second, hour: 1)
        try await repository.removeSnapshot(first.id)
        let prune = Prune(repository, options: PruneOptions(unusedPermille: 0))
        // All but what restic is about to find again.
        try await repository.removeSnapshot(
            try #require(try await repository.snapshots().first).id)
        let plan = try await prune.plan()
        #expect(plan.unusedPacks >= 3)
        let backup = try await restic.run("backup", history.volume)
        #expect(backup.isSuccess, "\(backup.errorText)")
        let compaction = try await prune.compact(plan)
        #expect(compaction.recoveredPacks > 0 || compaction.repackedPacks > 0)
        #expect(try await restic.run("check", "--read-data").isSuccess)
        _ = try await prune.sweep(plan)
        #expect(try await restic.run("check", "--read-data").isSuccess)
        #expect(try await repository.check(.all).isSound)
        let target = history.fixture.place.path + "/restored"
        #expect(try await restic.run("restore", "latest", "--target", target).isSuccess)
        let (golden, restored) = (
            try await TreeListing(of: history.volume),
            try await TreeListing(of: target + history.volume)
        )
        #expect(golden.difference(to: restored) == [])
    }

    @Test("Stock prune between any two steps does no harm, and stock restic at work is waited for")
    func stockPrune() async throws {
        for moment in 1...2 {
            let (history, _, kept) = try await Self.prepared(seed: 41)
            let repository = history.repository
            let restic = history.fixture.restic
            let prune = Prune(repository, options: PruneTests.options)
            let plan = try await prune.plan()
            if moment == 1 { #expect(try await restic.run("prune").isSuccess) }
            _ = try await prune.compact(plan)
            if moment == 2 { #expect(try await restic.run("prune").isSuccess) }
            _ = try await prune.sweep(plan)
            #expect(try await repository.check(.all).isSound)
            try await BackupHistory.readAll(kept, in: repository)
            #expect(try await restic.run("check", "--read-data").isSuccess)
        }
        // A lock of somebody else's, as restic holds while it works.
        let (history, _, _) = try await Self.prepared(seed: 43)
        let repository = history.repository
        let plan = try await Prune(repository, options: PruneTests.options).plan()
        var claim = LockFile(
            time: .now(), exclusive: false, hostname: "laptop", username: "anna", pid: 7)
        let theirs = try await RepositoryLock.acquire(in: repository, as: claim)
        let before = try await repository.store.list(try ObjectPrefix("data/"))
        for step in [1, 2] {
            let error = await #expect(throws: RepositoryError.self) {
                let prune = Prune(repository, options: PruneTests.options)
                if step == 1 {
                    _ = try await prune.compact(plan)
                } else {
                    _ = try await prune.sweep(plan)
                }
            }
            #expect(error?.code == .locked)
        }
        // Copies may have been written; nothing is gone.
        let after = try await repository.store.list(try ObjectPrefix("data/"))
        #expect(Set(after).isSuperset(of: before))
        try await theirs.release()
        // The locks of the hub's own backups are no obstacle.
        claim.hostname = "berth-hub.invalid"
        let ours = try await RepositoryLock.acquire(in: repository, as: claim)
        var options = PruneTests.options
        options.colleagues = ["berth-hub.invalid"]
        let prune = Prune(repository, options: options)
        _ = try await prune.compact(plan)
        #expect(try await prune.sweep(plan).removedPacks > 0)
        #expect(try await RepositoryLock.all(in: repository).count == 1)
        try await ours.release()
        #expect(try await history.fixture.restic.run("check", "--read-data").isSuccess)
    }
}
