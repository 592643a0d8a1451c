/// Runs `body` and cancels it when `limit` has passed.
///
/// The function returns when `body` has ended, so `body` must heed cancellation. An answer that
/// arrives after the limit is dropped.
/// - Parameters:
///   - limit: how long `body` may take.
///   - what: what `body` does, for the error.
///   - clock: what measures; a manual clock in tests.
///   - body: the work.
/// - Throws: `DeadlineExceeded` when the limit passed first; what `body` throws otherwise.
public func withDeadline<Answer: Sendable, Time: Clock>(
    _ limit: Duration, _ what: String, on clock: Time = ContinuousClock(),
    _ body: @escaping @Sendable () async throws -> Answer
) async throws -> Answer where Time.Duration == Duration {
    try await withThrowingTaskGroup(of: Answer?.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await clock.sleep(for: limit)
            return nil
        }
        defer { group.cancelAll() }
        guard let first = try await group.next(), let answer = first else {
            try Task.checkCancellation()
            throw DeadlineExceeded(what, limit: limit)
        }
        return answer
    }
}
