import Glibc
import Platform
import Repository
import Shared
import Testing

@testable import HostAgent

extension HostTests {
    /// What a restore leaves for the next backup.
    @Suite("The base after a restore", .timeLimit(.minutes(10)))
    struct RestoredBaseTests {
        @Test("is known by what differed as well as by reading everything")
        func follows() async throws {
            try await TestHost.run { host in
                var project = try await LocalStateTests.TwoBackups(host)
                for backup in [project.first, project.second, project.second, project.first] {
                    let receipt = try await project.restore(backup, on: host)
                    #expect(receipt.origin == .base)
                    try await Self.expectAsAnew(host, project.volume.project, backup)
                }
                _ = try await project.restore(project.second, on: host, isFromNothing: true)
                try await Self.expectAsAnew(host, project.volume.project, project.second)
                let retired = try await host.hub.perform(
                    .volumeRetire,
                    VolumeRetireInput(
                        volume: project.volume, coveringBackup: project.second.id,
                        isDeletion: false))
                #expect(retired.state == .succeeded)
                #expect(try await host.shell("ls -A", in: "\(host.data)/cache") == "")
                project.volume.generation += 1
                for (backup, isStaged) in [(project.first, true), (project.second, false)] {
                    let receipt = try await host.hub.perform(
                        .volumeRestore,
                        VolumeRestoreInput(
                            volume: project.volume, backup: backup, replacesVolume: false,
                            isStaged: isStaged)
                    ).value(RestoreReceipt.self)
                    #expect(receipt.origin == (isStaged ? .nothing : .staged))
                }
                try await Self.expectAsAnew(host, project.volume.project, project.second)
                #expect(!host.log.contains("made anew after a restore"))
                let next = try await host.backup(project.volume, base: project.second)
                #expect(next.detection?.method == .changes)
                #expect(next.backup == project.second)
            }
        }

        @Test("need not be known: the restore has happened")
        func unkept() async throws {
            try await TestHost.run { host in
                let project = try await LocalStateTests.TwoBackups(host)
                var volume = project.volume
                let retired = try await host.hub.perform(
                    .volumeRetire,
                    VolumeRetireInput(
                        volume: volume, coveringBackup: project.second.id, isDeletion: false))
                #expect(retired.state == .succeeded)
                volume.generation += 1
                let staged = try await host.hub.perform(
                    .volumeRestore,
                    VolumeRestoreInput(
                        volume: volume, backup: project.second, replacesVolume: false,
                        isStaged: true))
                #expect(staged.state == .succeeded)
                // Without what is kept of the state that is built on, it is read from the bucket.
                try await host.kept(volume.project, of: project.second).close()
                _ = try await host.shell("rm -rf *", in: "\(host.data)/cache")
                // What is asked for once the volume is in its place is for the next backup only.
                let (place, reached) = (host.layout.volume(volume.project), Locked(false))
                host.hub.state.withLock { state -> Void in
                    state.beforeGet = {
                        guard unsafe access(place, F_OK) == 0 else { return }
                        reached.withLock { $0 = true }
                        try await ContinuousClock().sleep(for: .seconds(600))
                    }
                }
                let operation = try host.hub.submit(
                    .volumeRestore,
                    VolumeRestoreInput(
                        volume: volume, backup: project.first, replacesVolume: false))
                try await host.hub.wait("the volume") { _ in
                    reached.withLock { $0 } ? true : nil
                }
                try await host.kill()
                host.hub.state.withLock { state -> Void in
                    state.beforeGrant = {
                        throw Problem(
                            status: 422, code: "repository-missing", title: "no", detail: "no")
                    }
                }
                try await host.start()
                let receipt = try await host.hub.outcome(of: operation).value(RestoreReceipt.self)
                #expect(receipt.rootTree == project.first.rootTree)
                host.hub.state.withLock { state -> Void in
                    (state.beforeGet, state.beforeGrant) = (nil, nil)
                }
                let next = try await host.backup(volume, base: project.first)
                #expect(next.detection?.reason == "cache-missing")
                #expect(next.backup.rootTree == project.first.rootTree)
            }
        }

        @Test("is no snapshot that another try's backup is not of")
        func earlierTry() async throws {
            try await TestHost.run { host in
                let volume = try await host.filledProject()
                let path = host.layout.volume(volume.project)
                let first = try await host.backup(volume, base: nil)
                try await host.shell("echo once >> sub/f1", in: path)
                let reached = Locked(false)
                host.hub.state.withLock { state -> Void in
                    state.afterCommit = {
                        let isFirst = reached.withLock { reached -> Bool in
                            defer { reached = true }
                            return !reached
                        }
                        // Held until the agent that waits for the answer is dead.
                        if isFirst { try? await ContinuousClock().sleep(for: .seconds(600)) }
                    }
                }
                let operation = try host.hub.submit(
                    .volumeBackup,
                    VolumeBackupInput(
                        volume: volume, backup: .make(), base: first.backup, isFinal: false,
                        tags: []))
                try await host.hub.wait("the commit") { _ in
                    reached.withLock { $0 } ? true : nil
                }
                try await host.kill()
                // The next try has to take another snapshot, which holds more.
                try await host.shell(
                    "btrfs subvolume delete '\(host.layout.nextBase(volume.project, operation))'",
                    in: path)
                try await host.shell("echo twice >> sub/f1", in: path)
                try await host.start()
                let second = try await host.hub.outcome(of: operation)
                    .value(VolumeBackupResult.self)
                #expect(!second.isCurrent)
                let third = try await host.backup(volume, base: second.backup)
                #expect(third.detection?.reason == "base-of-another-backup")
                let polynomial = try await host.hub.repository(of: volume.project).config
                    .polynomial
                let live = try SlowReference.rootTree(of: path, polynomial: polynomial)
                #expect(live.id.hex == third.backup.rootTree)
                #expect(third.isCurrent)
                try await host.expectNothingLeft(volume)
            }
        }

        /// What is kept is what would be if it were made of the backup's trees.
        private static func expectAsAnew(
            _ host: TestHost, _ project: ProjectID, _ backup: BackupReference
        ) async throws {
            let kept = try await host.kept(project, of: backup)
            let header = try #require(try await kept.header())
            let repository = try await host.hub.repository(of: project)
            let index = try await repository.loadIndex()
            let source = repository.blobSource(index: index)
            let anew = try await BaseCache.open("\(host.directory.path)/anew.base")
            try await BaseCacheBuilder(
                source: BaseCacheBuilder.Source(
                    snapshot: host.layout.base(project), codec: repository.codec,
                    length: { _ in nil },
                    tree: { id in
                        try SealedTree(
                            try await source.load(id, kind: .tree), id: id,
                            codec: repository.codec)
                    }), cache: anew, pool: BlockingPool(label: "test", width: 1)
            ).build(
                BaseHeader(
                    backup: backup.id, rootTree: backup.rootTree, snapshot: header.snapshot,
                    transid: 0, files: 0, bytes: 0))
            #expect(try await anew.header() == header)
            #expect(try await Self.directories(anew) == Self.directories(kept))
            #expect(try await anew.links() == kept.links())
            await anew.close()
            await kept.close()
        }

        private static func directories(_ cache: BaseCache) async throws -> [String] {
            try await cache.directories(after: 0, limit: 10_000).map {
                "\($0.inode) \($0.generation) \($0.tree.id) \($0.holdsSubvolume)"
            }
        }
    }
}
