import Platform
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
    }
}
