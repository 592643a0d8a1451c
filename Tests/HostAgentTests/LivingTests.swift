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
