import Glibc
import Platform
import SQLite
import Shared
import Testing

@testable import HostAgent

extension HostTests {
    @Suite("A session", .timeLimit(.minutes(3)))
    struct SessionTests {
        @Test("that the hub has ended is followed by another one, and work goes on")
        func goesOn() async throws {
            try await TestHost.run { host in
                let first = try host.hub.submit(.hostCheck, ["x": "y"])
                #expect(try await host.hub.outcome(of: first).state == .succeeded)
                // As a request of an earlier run does that arrives late.
                host.hub.state.withLock { state in
                    if let session = state.session { state.endedSessions.insert(session) }
                }
                let second = try host.hub.submit(.hostCheck, ["x": "y"])
                #expect(try await host.hub.outcome(of: second).state == .succeeded)
            }
        }

        @Test("tells the hub what it was told of its log, also after the agent was killed")
        func logHead() async throws {
            try await TestHost.run(starts: false) { host in
                let hub = host.hub
                let first = LogHead(history: hub.timeline, sequence: 7, hash: "ab")
                hub.state.withLock { $0.logHead = first }
                try await host.start()
                try await hub.wait("the first session") { $0.status }
                #expect(hub.state.withLock { $0.knownHead } == nil)
                try await host.kill()
                try await host.start()
                try await hub.wait("what the ledger has kept") { $0.knownHead }
                #expect(hub.state.withLock { $0.knownHead } == first)
                // A running agent knows what heartbeats told.
                let second = LogHead(history: hub.timeline, sequence: 9, hash: "cd")
                hub.state.withLock { $0.logHead = second }
                hub.state.withLock { $0.status = nil }
                try await hub.wait("a heartbeat") { $0.status }
                hub.state.withLock { state in
                    if let session = state.session { state.endedSessions.insert(session) }
                }
                try await hub.wait("the next session") { $0.knownHead == second ? true : nil }
            }
        }

        @Test("goes on while the host's disk keeps its ledger busy for longer than a lease")
        func busyDisk() async throws {
            try await TestHost.run(leaseMilliseconds: 3000) { host in
                let volume = host.project()
                _ = try await host.hub.perform(.volumeCreate, VolumeInput(volume: volume))
                let command = try host.hub.submit(
                    .volumeExecute,
                    VolumeExecuteInput(
                        volume: volume, command: ["sleep", "6"], asRoot: true,
                        timeoutSeconds: 60))
                try await host.hub.wait("the command") { $0.held[command] }
                // Somebody who writes makes the ledger wait, and with it all that it is asked for.
                let other = try await SQLiteDatabase.open(host.data + "/ledger.sqlite")
                let hub = host.hub
                let check = try await other.write { _ in
                    let check = try hub.submit(.hostCheck, ["x": "y"])
                    let started = ContinuousClock.now
                    while ContinuousClock.now - started < .seconds(4) { usleep(50_000) }
                    return check
                }
                await other.close()
                #expect(try await host.hub.outcome(of: command).state == .succeeded)
                // The lease was renewed before its work would have had to stop.
                #expect(hub.state.withLock { $0.longestSilence } < .seconds(2))
                #expect(try await host.hub.outcome(of: check).state == .succeeded)
            }
        }
    }
}
