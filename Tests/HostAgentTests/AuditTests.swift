import Platform
import Repository
import Shared
import Testing

@testable import HostAgent

extension HostTests {
    /// What a backup of the changes came to, against everything.
    @Suite("An audit", .timeLimit(.minutes(5)))
    struct AuditTests {
        @Test("says so where no change was missed, and stores only what has changed")
        func clean() async throws {
            try await TestHost.run { host in
                let volume = try await host.filledProject()
                let first = try await host.backup(volume, base: nil)
                try await host.shell(
                    "echo more >> sub/f7; rm zero", in: host.layout.volume(volume.project))
                let audited = try await host.audit(volume, base: first.backup)
                    .value(VolumeBackupResult.self)
                #expect(audited.detection?.method == .changes)
                #expect(audited.detection?.isAudited == true)
                #expect(audited.addedBytes < first.addedBytes / 20)
                let again = try await host.audit(volume, base: audited.backup)
                    .value(VolumeBackupResult.self)
                #expect(again.detection?.changedInodes == 0)
                #expect(again.detection?.isAudited == true)
                try await host.expectNothingLeft(volume)
            }
        }

        @Test("finds a change that was missed, names it, and backs everything up")
        func planted() async throws {
            try await TestHost.run { host in
                let volume = try await host.filledProject()
                let path = host.layout.volume(volume.project)
                let first = try await host.backup(volume, base: nil)
                try await Self.plant(host, volume, first.backup, directory: "sub", name: "f3")
                // Without an audit nobody notices: the change is missing from now on.
                try await host.shell("echo more >> sub/f7", in: path)
                let second = try await host.backup(volume, base: first.backup)
                #expect(second.detection?.method == .changes)
                #expect(try await Self.whole(host, volume) != second.backup.rootTree)

                let input = VolumeBackupInput(
                    volume: volume, backup: .make(), base: second.backup, isFinal: false,
                    tags: [], isAudit: true)
                let outcome = try await host.hub.perform(.volumeBackup, input)
                #expect(outcome.state == .failed)
                let failure = try #require(outcome.failure)
                #expect(failure.code == "audit-mismatch" && failure.class == .terminal)
                #expect(failure.message.contains("sub/f3"), "\(failure.message)")
                #expect(!failure.message.contains("sub/f7"), "\(failure.message)")
                let healed = try #require(host.hub.state.withLock { $0.backups[input.backup] })
                #expect(try await Self.whole(host, volume) == healed.rootTree)

                try await host.shell("echo again >> sub/f7", in: path)
                let next = try await host.audit(volume, base: healed)
                    .value(VolumeBackupResult.self)
                #expect(next.detection?.method == .changes)
                #expect(next.detection?.isAudited == true)
                #expect(try await Self.whole(host, volume) == next.backup.rootTree)
                try await host.expectNothingLeft(volume)
            }
        }

        @Test("tells what it found also where its agent died after it was backed up")
        func killed() async throws {
            try await TestHost.run { host in
                let volume = try await host.filledProject()
                let first = try await host.backup(volume, base: nil)
                try await Self.plant(host, volume, first.backup, directory: "sub", name: "f3")
                try await host.shell(
                    "echo more >> sub/f7", in: host.layout.volume(volume.project))
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
                        tags: [], isAudit: true))
                try await host.hub.wait("the commit") { _ in
                    reached.withLock { $0 } ? true : nil
                }
                try await host.kill()
                try await host.start()
                let outcome = try await host.hub.outcome(of: operation)
                #expect(outcome.failure?.code == "audit-mismatch")
            }
        }

        /// Has what is kept of the base say of a file what was not so: as after a change that no
        /// backup saw.
        private static func plant(
            _ host: TestHost, _ volume: VolumeReference, _ backup: BackupReference,
            directory: String, name: String
        ) async throws {
            let inode = try await host.shell(
                "stat -c %i \(directory)", in: host.layout.base(volume.project))
            let codec = try await host.hub.repository(of: volume.project).codec
            let cache = try await host.kept(volume.project, of: backup)
            let number = try #require(UInt64(inode.dropLast()))
            let kept = try #require(try await cache.directory(number))
            var nodes = try kept.tree.nodes(codec)
            let position = try #require(nodes.firstIndex { $0.name == Array(name.utf8) })
            nodes[position].uid += 1
            let json = TreeEncoder.encode(nodes)
            var changes = BaseChanges()
            changes.directories = [
                BaseDirectory(
                    inode: number, generation: kept.generation,
                    tree: try SealedTree(json, id: BlobID(hashing: json), codec: codec),
                    holdsSubvolume: kept.holdsSubvolume)
            ]
            try await cache.apply(changes, header: try await cache.header())
            await cache.close()
        }

        /// The root tree of the volume, by everything.
        private static func whole(
            _ host: TestHost, _ volume: VolumeReference
        ) async throws -> String {
            let polynomial = try await host.hub.repository(of: volume.project).config.polynomial
            return try SlowReference.rootTree(
                of: host.layout.volume(volume.project), polynomial: polynomial
            ).id.hex
        }
    }
}

extension TestHost {
    fileprivate func audit(
        _ volume: VolumeReference, base: BackupReference
    ) async throws -> OperationOutcome {
        try await hub.perform(
            .volumeBackup,
            VolumeBackupInput(
                volume: volume, backup: .make(), base: base, isFinal: false, tags: [],
                isAudit: true))
    }
}
