import Platform
import Shared
import Testing

@testable import HostAgent

extension HostTests {
    @Suite("What lives on a host", .timeLimit(.minutes(5)))
    struct LivingTests {
        @Test("a stop says what was written a moment before it, and which backup holds all")
        func stop() async throws {
            try await TestHost.run { host in
                let volume = try await host.filledProject()
                let input = RuntimeInput(
                    volume: volume, runtime: RuntimeDescription(command: []))
                let saved = try await host.backup(volume, base: nil).backup
                #expect(
                    host.hub.state.withLock { $0.volumes[volume.project]?.freshness } == .fresh)
                let path = host.layout.volume(volume.project)
                try await host.shell("echo last > word", in: path)
                let outcome = try await host.hub.perform(.runtimeStop, input)
                #expect(outcome.state == .succeeded)
                #expect(
                    host.hub.state.withLock { $0.volumes[volume.project]?.freshness } == .dirty)
                #expect(try outcome.value(RuntimeStopResult.self).coveringBackup == nil)
                let later = try await host.backup(volume, base: saved).backup
                let again = try await host.hub.perform(.runtimeStop, input)
                #expect(try again.value(RuntimeStopResult.self).coveringBackup == later.id)
            }
        }

        @Test("a restore outlives a moment in which the file system is not certain")
        func trouble() async throws {
            try await TestHost.run { host in
                let volume = try await host.filledProject()
                let saved = try await host.backup(volume, base: nil).backup
                var next = volume
                next.generation = 2
                let isHeld = Locked(false)
                let goesOn = Locked(false)
                host.hub.state.withLock { state -> Void in
                    state.beforeGet = {
                        let staged = try await host.shell("ls -A", in: host.layout.staging)
                        guard !staged.isEmpty else { return }
                        isHeld.withLock { $0 = true }
                        while !goesOn.withLock({ $0 }) {
                            try await ContinuousClock().sleep(for: .milliseconds(20))
                        }
                    }
                }
                let operation = try host.hub.submit(
                    .volumeRestore,
                    VolumeRestoreInput(
                        volume: next, backup: saved, replacesVolume: true, isFromNothing: true))
                try await withDeadline(.seconds(60), "the restore reads") {
                    while !isHeld.withLock({ $0 }) {
                        try await ContinuousClock().sleep(for: .milliseconds(5))
                    }
                }
                let inventories = host.hub.state.withLock { $0.inventories.count }
                try await host.shell("mv .berth away", in: host.layout.root)
                _ = try await host.hub.wait("trouble") { $0.status?.trouble }
                try await host.shell("mv away .berth", in: host.layout.root)
                _ = try await host.hub.wait("an inventory") { state in
                    state.inventories.count > inventories ? true : nil
                }
                goesOn.withLock { $0 = true }
                let receipt = try await host.hub.outcome(of: operation).value(RestoreReceipt.self)
                #expect(receipt.rootTree == saved.rootTree)
                try await host.expectNothingLeft(volume)
            }
        }

        @Test("a frozen volume stays frozen where its replacement fails or the agent dies in it")
        func frozen() async throws {
            try await TestHost.run { host in
                let volume = try await host.filledProject()
                let saved = try await host.backup(volume, base: nil, isFinal: true).backup
                let path = host.layout.volume(volume.project)
                func isFrozen() async throws -> Bool {
                    try await host.shell("touch x 2>/dev/null || echo refused", in: path)
                        == "refused\n"
                }
                #expect(try await isFrozen())
                var next = volume
                next.generation = 2
                try await host.shell("chattr +i projects", in: host.layout.root)
                let failed = try await host.hub.perform(
                    .volumeRestore,
                    VolumeRestoreInput(volume: next, backup: saved, replacesVolume: true))
                try await host.shell("chattr -i projects", in: host.layout.root)
                #expect(failed.state == .failed)
                #expect(try await isFrozen())
                // Between the flip of the flag and the exchange.
                try await host.kill()
                try await host.shell("btrfs property set -ts \(path) ro false", in: "/")
                try await host.start()
                _ = try await host.hub.wait("inventory") { $0.inventories.count >= 2 ? true : nil }
                #expect(try await isFrozen())
            }
        }

        @Test("progress is said as it happens, however long leases are")
        func progress() async throws {
            try await TestHost.run(leaseMilliseconds: 90_000) { host in
                let volume = try await host.filledProject()
                let goesOn = Locked(false)
                host.hub.state.withLock { state -> Void in
                    state.beforePut = { _ in
                        while !goesOn.withLock({ $0 }), !Task.isCancelled {
                            // Ends early when the agent gives the request up.
                            try? await ContinuousClock().sleep(for: .milliseconds(20))
                        }
                    }
                }
                let operation = try host.hub.submit(
                    .volumeBackup,
                    VolumeBackupInput(
                        volume: volume, backup: .make(), base: nil, isFinal: false, tags: []))
                let progress = try await host.hub.wait("progress", upTo: .seconds(15)) { state in
                    state.progress[operation].flatMap { $0.phase == "upload" ? $0 : nil }
                }
                #expect(progress.phaseIndex == 3)
                goesOn.withLock { $0 = true }
                #expect(try await host.hub.outcome(of: operation).state == .succeeded)
            }
        }
    }
}
