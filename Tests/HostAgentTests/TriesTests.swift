import ObjectStore
import Platform
import Repository
import Shared
import Testing

@testable import HostAgent

extension HostTests {
    @Suite("An operation that is tried again", .timeLimit(.minutes(5)))
    struct TriesTests {
        /// What the hub answers while something is wrong for a moment.
        private static let trouble = Problem(
            status: 503, code: "bucket-unavailable", title: "unavailable", detail: "try again")

        @Test("stores nothing a second time that its earlier try has stored")
        func uploads() async throws {
            try await TestHost.run { host in
                let volume = try await host.filledProject()
                let input = VolumeBackupInput(
                    volume: volume, backup: .make(), base: nil, isFinal: false, tags: [])
                host.hub.state.withLock { $0.beforeCommit = { throw Self.trouble } }
                let operation = try host.hub.submit(.volumeBackup, input)
                let first = try await host.hub.outcome(of: operation)
                #expect(first.failure?.class == .retryable)
                let stored = host.hub.state.withLock { $0.puts }
                #expect(!stored.isEmpty)
                host.hub.state.withLock { $0.beforeCommit = nil }
                let second = try await host.hub.retry(operation, .volumeBackup, input)
                    .value(VolumeBackupResult.self)
                #expect(host.hub.state.withLock { $0.puts } == stored)
                try await host.expectNothingLeft(volume)
                try await host.restoresElsewhere(second.backup, as: volume)
            }
        }

        @Test("stores anew what the bucket has lost since its earlier try")
        func lostPacks() async throws {
            try await TestHost.run { host in
                let volume = try await host.filledProject()
                let input = VolumeBackupInput(
                    volume: volume, backup: .make(), base: nil, isFinal: false, tags: [])
                let isReached = Locked(false)
                host.hub.state.withLock { state -> Void in
                    state.beforeCommit = {
                        isReached.withLock { $0 = true }
                        // Until the agent that waits for the answer is dead.
                        try await ContinuousClock().sleep(for: .seconds(600))
                    }
                }
                let operation = try host.hub.submit(.volumeBackup, input)
                try await withDeadline(.seconds(60), "the commit") {
                    while !isReached.withLock({ $0 }) {
                        try await ContinuousClock().sleep(for: .milliseconds(2))
                    }
                }
                try await host.kill()
                host.hub.state.withLock { $0.beforeCommit = nil }
                let store = try await host.hub.repository(of: volume.project).store
                for pack in try await store.list(ObjectPrefix("data/")) {
                    try await store.delete(pack.name)
                }
                try await host.start()
                let second = try await host.hub.outcome(of: operation)
                    .value(VolumeBackupResult.self)
                #expect(host.hub.state.withLock { $0.commits } == 1)
                try await host.restoresElsewhere(second.backup, as: volume)
            }
        }

        @Test("finishes a restore that failed behind the exchange of the volumes")
        func publication() async throws {
            try await TestHost.run { host in
                let volume = try await host.filledProject()
                let saved = try await host.backup(volume, base: nil).backup
                let path = host.layout.volume(volume.project)
                try await host.shell("echo changed > one", in: path)
                var next = volume
                next.generation = 2
                let input = VolumeRestoreInput(
                    volume: next, backup: saved, replacesVolume: true)
                try await host.shell("chattr +i trash", in: host.layout.root)
                let operation = try host.hub.submit(.volumeRestore, input)
                let first = try await host.hub.outcome(of: operation)
                try await host.shell("chattr -i trash", in: host.layout.root)
                #expect(first.failure?.class == .retryable)
                #expect(try await host.shell("head -c 8 one", in: path) != "changed\n")
                let receipt = try await host.hub.retry(operation, .volumeRestore, input)
                    .value(RestoreReceipt.self)
                #expect(receipt.rootTree == saved.rootTree)
                try await host.expectNothingLeft(volume)
                #expect(
                    try await host.shell(
                        "cat \(volume.project)-1/one", in: host.layout.trash) == "changed\n")
            }
        }

        @Test("restores anew where what its earlier try had ready is gone")
        func goneStaging() async throws {
            try await TestHost.run { host in
                let volume = try await host.filledProject()
                let saved = try await host.backup(volume, base: nil).backup
                var next = volume
                next.generation = 2
                let input = VolumeRestoreInput(
                    volume: next, backup: saved, replacesVolume: true)
                try await host.shell("chattr +i projects", in: host.layout.root)
                let operation = try host.hub.submit(.volumeRestore, input)
                let first = try await host.hub.outcome(of: operation)
                try await host.shell("chattr -i projects", in: host.layout.root)
                #expect(first.failure?.class == .retryable)
                try await host.shell(
                    "btrfs -q subvolume delete */", in: host.layout.staging)
                let receipt = try await host.hub.retry(operation, .volumeRestore, input)
                    .value(RestoreReceipt.self)
                #expect(receipt.rootTree == saved.rootTree)
                try await host.expectNothingLeft(volume)
            }
        }

        @Test("imports what a backup between its tries has removed from the volume")
        func importing() async throws {
            try await TestHost.run { host in
                let volume = try await host.filledProject()
                let path = host.layout.volume(volume.project)
                let input = VolumeImportInput(
                    volume: volume, directory: path + "/sub",
                    destination: try ProjectPath("a/new"), isFaithful: true)
                try await host.shell("mkdir a; chattr +i a", in: path)
                let operation = try host.hub.submit(.volumeImport, input)
                let first = try await host.hub.outcome(of: operation)
                try await host.shell("chattr -i a", in: path)
                #expect(first.failure?.class == .retryable)
                _ = try await host.backup(volume, base: nil)
                try await host.expectNothingLeft(volume)
                let second = try await host.hub.retry(operation, .volumeImport, input)
                #expect(second.state == .succeeded, "\(String(describing: second.failure))")
                #expect(try await host.shell("cat a/new/f7", in: path) == "file 7\n")
            }
        }

        @Test("keeps what was written between its tries to what a path restore replaces")
        func edits() async throws {
            try await TestHost.run { host in
                let volume = try await host.filledProject()
                let saved = try await host.backup(volume, base: nil).backup
                let path = host.layout.volume(volume.project)
                try await host.shell("mkdir a; cp -r sub a/sub; echo 1 > a/sub/own", in: path)
                let input = VolumeApplyInput(
                    volume: volume, copy: nil, backup: saved, source: try ProjectPath("sub"),
                    destination: try ProjectPath("a/sub"), overwrite: .always, isFaithful: true)
                try await host.shell("chattr +i a", in: path)
                let operation = try host.hub.submit(.volumeApply, input)
                let first = try await host.hub.outcome(of: operation)
                try await host.shell("chattr -i a", in: path)
                #expect(first.failure?.class == .retryable)
                try await host.shell("echo 2 > a/sub/own", in: path)
                let second = try await host.hub.retry(operation, .volumeApply, input)
                #expect(second.state == .succeeded, "\(String(describing: second.failure))")
                #expect(try await host.shell("ls a/sub | grep own || true", in: path) == "")
                let kept = host.layout.snapshots(of: volume.project)
                #expect(try await host.shell("cat */a/sub/own | sort", in: kept) == "1\n2\n")
                try await host.expectNothingLeft(volume)
            }
        }

        @Test("keeps what appears where a path restore found nothing")
        func appeared() async throws {
            try await TestHost.run { host in
                let volume = try await host.filledProject()
                let saved = try await host.backup(volume, base: nil).backup
                let path = host.layout.volume(volume.project)
                let input = VolumeApplyInput(
                    volume: volume, copy: nil, backup: saved, source: try ProjectPath("sub"),
                    destination: try ProjectPath("new"), overwrite: .always, isFaithful: true)
                // While the backup is read somebody makes the destination.
                host.hub.state.withLock { state -> Void in
                    state.beforeGrant = {
                        try await host.shell("mkdir -p new; echo 1 > new/own", in: path)
                    }
                }
                let outcome = try await host.hub.perform(.volumeApply, input)
                #expect(outcome.state == .succeeded, "\(String(describing: outcome.failure))")
                let kept = host.layout.snapshots(of: volume.project)
                #expect(try await host.shell("cat */new/own", in: kept) == "1\n")
            }
        }
    }
}
