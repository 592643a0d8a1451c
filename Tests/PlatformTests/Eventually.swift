import Platform

/// Asks again until the answer is yes; for effects that the kernel gives no event for.
func eventually(
    within limit: Duration = .seconds(20), _ isTrue: () async throws -> Bool
) async throws {
    let end = ContinuousClock.now + limit
    while try await !isTrue() {
        guard ContinuousClock.now < end else { throw DeadlineExceeded("eventually", limit: limit) }
        try await ContinuousClock().sleep(for: .milliseconds(5))
    }
}
