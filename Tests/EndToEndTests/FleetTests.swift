import Testing

/// The tests' own fleet.
@Suite("A fleet for tests")
struct FleetTests {
    @Test(
        "leaves nothing behind when a test fails with everything running",
        .timeLimit(.minutes(2)))
    func failure() async throws {
        await #expect(throws: FleetFailure.self) {
            // Its end records an issue for whatever is left.
            try await Fleet.run(hosts: 1) { fleet in
                try await fleet.done("project", "create", "left", "--", "sleep", "1000")
                try await fleet.done("project", "start", "left")
                // The project's process and the database outlive these two.
                try await fleet.kill("host-1")
                try await fleet.kill("hub")
                throw FleetFailure()
            }
        }
    }
}
