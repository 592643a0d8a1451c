import Platform
import Shared
import Testing

@testable import HostAgent

extension HostTests {
    @Suite("The outbox", .timeLimit(.minutes(5)))
    struct OutboxTests {
        @Test("reports arrive once each and in order, though answers are lost and the agent dies")
        func exactlyOnce() async throws {
            try await TestHost.run { host in
                host.hub.state.withLock { $0.lostReportAnswers = 3 }
                var operations: [OperationID] = []
                for _ in 0..<20 {
                    operations.append(
                        try host.hub.submit(.volumeCreate, VolumeInput(volume: host.project())))
                }
                try await host.kill()
                host.hub.state.withLock { $0.lostReportAnswers = 2 }
                try await host.start()
                for operation in operations {
                    #expect(try await host.hub.outcome(of: operation).state == .succeeded)
                }
                let state = host.hub.state.withLock { $0 }
                #expect(state.applications.values.allSatisfy { $0 == 1 })
                #expect(state.applications.count == Int(state.applied))
                #expect(state.volumes.count == 20)
            }
        }

        @Test("an operation that ended here is answered again under a new lease, not done again")
        func answersAgain() async throws {
            try await TestHost.run { host in
                let volume = try await host.filledProject()
                let input = VolumeExecuteInput(
                    volume: volume, command: ["sh", "-c", "echo once >> once"], asRoot: false,
                    timeoutSeconds: 60)
                let operation = try host.hub.submit(.volumeExecute, input)
                let first = try await host.hub.outcome(of: operation)
                host.hub.state.withLock { $0.outcomes[operation] = nil }
                _ = try host.hub.submit(.volumeExecute, input, id: operation)
                let second = try await host.hub.outcome(of: operation)
                #expect(second.result == first.result)
                #expect(second.epoch > first.epoch)
                #expect(
                    try await host.shell("cat once", in: host.layout.volume(volume.project))
                        == "once\n")
            }
        }

        @Test("sequence numbers are never used again, and only what was applied is removed")
        func sequence() async throws {
            let directory = try TemporaryDirectory()
            let data = try DataDirectory(directory.path)
            var ledger = try await Ledger.open(data, creates: true)
            for _ in 0..<5 { try await ledger.report(.volumeGone(.make())) }
            try await ledger.acknowledge(upTo: 3)
            #expect(try await ledger.outboxBatch(limit: 10).map(\.sequence) == [4, 5])
            try await ledger.acknowledge(upTo: 5)
            let id = ledger.id
            await ledger.close()
            ledger = try await Ledger.open(data, creates: false)
            #expect(ledger.id == id)
            #expect(try await ledger.outboxBatch(limit: 10).isEmpty)
            try await ledger.report(.volumeGone(.make()))
            #expect(try await ledger.outboxBatch(limit: 10).map(\.sequence) == [6])
            #expect(try await ledger.lastSequence() == 6)
        }
    }
}
