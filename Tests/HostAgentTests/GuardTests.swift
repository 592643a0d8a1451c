import Platform
import Shared
import Testing

@testable import HostAgent

extension HostTests {
    @Suite("An agent that has seen a guard", .timeLimit(.minutes(5)))
    struct GuardTests {
        private static func execute(
            _ volume: VolumeReference, _ script: String
        ) -> VolumeExecuteInput {
            VolumeExecuteInput(
                volume: volume, command: ["sh", "-c", script], asRoot: false, timeoutSeconds: 600)
        }

        @Test("leaves older leases on the project alone, also after it was killed")
        func refusesOlder() async throws {
            try await TestHost.run { host in
                let volume = host.project()
                host.hub.state.withLock { $0.epoch = 500 }
                // The project was never here: the guard is kept all the same.
                let made = try host.hub.submit(
                    .volumeCreate, VolumeInput(volume: volume), guardEpoch: 500)
                #expect(try await host.hub.outcome(of: made).state == .succeeded)
                host.hub.state.withLock { $0.epoch = 300 }
                let old = try host.hub.submit(
                    .volumeExecute, Self.execute(volume, "echo done >> old"))
                for isRestarted in [false, true] {
                    if isRestarted {
                        try await host.kill()
                        try await host.start()
                    }
                    // Work that names no volume passes.
                    for _ in 0..<2 {
                        let check = try await host.hub.perform(.hostCheck, JSONValue.object([:]))
                        #expect(check.state == .succeeded)
                    }
                    #expect(host.hub.state.withLock { $0.outcomes[old] } == nil)
                }
                host.hub.state.withLock { $0.epoch = 600 }
                host.hub.requeue(old)
                #expect(try await host.hub.outcome(of: old).state == .succeeded)
                #expect(
                    try await host.contents(of: host.layout.volume(volume.project) + "/old")
                        == "done\n")
            }
        }

        @Test("stops what still runs of an older lease before it works under the guard")
        func stopsOlder() async throws {
            try await TestHost.run { host in
                let volume = try await host.filledProject()
                let old = try host.hub.submit(
                    .volumeExecute, Self.execute(volume, "echo begun > begun; sleep 1000"))
                _ = try await host.contents(of: host.layout.volume(volume.project) + "/begun")
                host.hub.state.withLock { $0.epoch = 400 }
                let next = try host.hub.submit(
                    .runtimeStop,
                    RuntimeInput(volume: volume, runtime: RuntimeDescription(command: [])),
                    guardEpoch: 400)
                #expect(try await host.hub.outcome(of: next).state == .succeeded)
                #expect(try ProcessTable.processes(ofUser: volume.uid).isEmpty)
                // Nothing is said of it: its lease is gone.
                #expect(host.hub.state.withLock { $0.outcomes[old] } == nil)
            }
        }
    }

    @Suite("What an interrupted operation left", .timeLimit(.minutes(5)))
    struct LeftoverTests {
        @Test("stays while it may go on, and goes when the hub says that it has ended")
        func goes() async throws {
            try await TestHost.run(leaseMilliseconds: 1500) { host in
                let volume = try await host.filledProject()
                // The upload hangs, and the lease cannot be renewed.
                host.hub.state.withLock { state -> Void in
                    state.beforePut = { _ in
                        try? await ContinuousClock().sleep(for: .seconds(600))
                    }
                }
                let operation = try host.hub.submit(
                    .volumeBackup,
                    VolumeBackupInput(
                        volume: volume, backup: .make(), base: nil, isFinal: false, tags: []))
                let left = host.layout.nextBase(volume.project, operation)
                try await withDeadline(.seconds(60), "the snapshot") {
                    while try await host.shell("ls", in: host.layout.bases) == "" {
                        try await ContinuousClock().sleep(for: .milliseconds(5))
                    }
                }
                host.hub.state.withLock { $0.answersHeartbeats = false }
                try await withDeadline(.seconds(60), "the work stops") {
                    while !host.log.contains("lost its lease") {
                        try await ContinuousClock().sleep(for: .milliseconds(20))
                    }
                }
                host.hub.state.withLock { $0.answersHeartbeats = true }
                try await host.hub.wait("the question") {
                    $0.interrupted.contains(operation) ? true : nil
                }
                try await host.shell("test -d '\(left)'", in: "/")
                host.hub.state.withLock { $0.ended = [operation] }
                try await withDeadline(.seconds(60), "nothing is left") {
                    while try await host.shell("ls", in: host.layout.bases) != "" {
                        try await ContinuousClock().sleep(for: .milliseconds(20))
                    }
                }
                try await host.hub.wait("no question") { $0.interrupted.isEmpty ? true : nil }
            }
        }
    }
}
