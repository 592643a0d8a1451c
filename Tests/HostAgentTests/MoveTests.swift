import Platform
import Shared
import Testing

@testable import HostAgent

extension HostTests {
    @Suite("The steps of a move on its hosts", .timeLimit(.minutes(5)))
    struct MoveTests {
        @Test("a final backup freezes the volume, thaw undoes it, retire keeps it in the trash")
        func sourceSide() async throws {
            try await TestHost.run { host in
                let volume = try await host.filledProject()
                let path = host.layout.volume(volume.project)
                let input = RuntimeInput(
                    volume: volume,
                    runtime: RuntimeDescription(
                        command: [
                            // A daemon that left its session, and a leader that ignores SIGTERM.
                            "/bin/sh", "-c",
                            "setsid sleep 1000 & trap '' TERM; while true; do sleep 1; done",
                        ], stopGraceSeconds: 1))
                #expect(try await host.hub.perform(.runtimeStart, input).state == .succeeded)
                let early = try await host.hub.perform(
                    .volumeBackup,
                    VolumeBackupInput(
                        volume: volume, backup: .make(), base: nil, isFinal: true, tags: []))
                #expect(early.failure?.code == "processes-left")
                #expect(try await host.hub.perform(.runtimeStop, input).state == .succeeded)
                #expect(try ProcessTable.processes(ofUser: volume.uid).isEmpty)
                let final = try await host.backup(volume, base: nil, isFinal: true)
                #expect(final.isCurrent)
                let frozen = try await host.hub.wait("frozen") { state in
                    state.volumes[volume.project].flatMap { $0.isFrozen ? $0 : nil }
                }
                #expect(frozen.freshness == .fresh)
                #expect(
                    try await host.shell("touch x 2>/dev/null || echo refused", in: path)
                        == "refused\n")
                let start = try await host.hub.perform(.runtimeStart, input)
                #expect(start.failure?.code == "volume-frozen")
                let thaw = try await host.hub.perform(.volumeThaw, VolumeInput(volume: volume))
                #expect(thaw.state == .succeeded)
                try await host.shell("echo more > more", in: path)
                let second = try await host.backup(volume, base: final.backup, isFinal: true)
                let retire = VolumeRetireInput(
                    volume: volume, coveringBackup: second.backup.id, isDeletion: false)
                for _ in 0..<2 {
                    let outcome = try await host.hub.perform(.volumeRetire, retire)
                    #expect(outcome.state == .succeeded, "\(String(describing: outcome.failure))")
                }
                _ = try await host.hub.wait("gone") { state in
                    state.volumes[volume.project] == nil ? true : nil
                }
                #expect(
                    try await host.shell("cat \(volume.project)-1/more", in: host.layout.trash)
                        == "more\n")
                #expect(try await host.shell("ls", in: host.layout.projects) == "")
                // It comes back with a higher generation.
                try await host.restoresElsewhere(second.backup, as: volume)
                #expect(try await host.shell("cat more", in: path) == "more\n")
            }
        }

        @Test("a restore does not take the place of a volume that it was not told to replace")
        func refusesToReplace() async throws {
            try await TestHost.run { host in
                let volume = try await host.filledProject()
                let saved = try await host.backup(volume, base: nil)
                var next = volume
                next.generation = 2
                let outcome = try await host.hub.perform(
                    .volumeRestore,
                    VolumeRestoreInput(volume: next, backup: saved.backup, replacesVolume: false))
                #expect(outcome.failure?.code == "volume-exists")
                var wrong = saved.backup
                wrong.rootTree = String(repeating: "0", count: 64)
                let missing = try await host.hub.perform(
                    .volumeRestore,
                    VolumeRestoreInput(volume: next, backup: wrong, replacesVolume: true))
                #expect(missing.state == .failed)
                #expect(missing.failure?.code == "repository-damaged")
                try await host.expectNothingLeft(volume)
                let unchanged = try await host.backup(volume, base: saved.backup)
                #expect(unchanged.backup.rootTree == saved.backup.rootTree)
            }
        }

        @Test("a subvolume inside a volume makes the backup partial and freshness unknown")
        func nested() async throws {
            try await TestHost.run { host in
                let volume = try await host.filledProject()
                try await host.shell(
                    "btrfs -q subvolume create inner && echo x > inner/x",
                    in: host.layout.volume(volume.project))
                let partial = try await host.backup(volume, base: nil)
                #expect(partial.omissions.count == 1)
                #expect(partial.omissions.first?.hasPrefix("inner: ") == true)
                #expect(!partial.isCurrent)
                let seen = try await host.hub.wait("observation") { state in
                    state.volumes[volume.project].flatMap {
                        $0.base == partial.backup.id ? $0 : nil
                    }
                }
                #expect(seen.freshness == .unknown)
            }
        }

        @Test("a cancelled backup confirms that it stopped and leaves nothing behind")
        func cancel() async throws {
            try await TestHost.run { host in
                let volume = try await host.filledProject()
                let isHeld = Locked(false)
                host.hub.state.withLock { state -> Void in
                    state.beforePut = { _ in
                        isHeld.withLock { $0 = true }
                        // Until the agent gives the request up.
                        try? await ContinuousClock().sleep(for: .seconds(600))
                    }
                }
                let operation = try host.hub.submit(
                    .volumeBackup,
                    VolumeBackupInput(
                        volume: volume, backup: .make(), base: nil, isFinal: false, tags: []))
                try await withDeadline(.seconds(120), "an upload begins") {
                    while !isHeld.withLock({ $0 }) {
                        try await ContinuousClock().sleep(for: .milliseconds(2))
                    }
                }
                host.hub.state.withLock { state -> Void in state.canceled.insert(operation) }
                #expect(try await host.hub.outcome(of: operation).state == .canceled)
                #expect(try await host.shell("ls -A", in: host.layout.bases) == "")
                host.hub.state.withLock { $0.beforePut = nil }
                _ = try await host.backup(volume, base: nil)
                try await host.expectNothingLeft(volume)
            }
        }
    }
}
