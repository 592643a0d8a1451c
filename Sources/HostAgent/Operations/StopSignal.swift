import Platform

/// Tells one operation to stop, once; the first reason stays.
final class StopSignal: Sendable {
    private struct State {
        var reason: StopReason?
        var waiting: CheckedContinuation<StopReason?, Never>?
    }

    private let state = Locked(State())

    /// Tells the operation to stop.
    func stop(_ reason: StopReason) {
        let waiting = state.withLock { state -> CheckedContinuation<StopReason?, Never>? in
            guard state.reason == nil else { return nil }
            state.reason = reason
            defer { state.waiting = nil }
            return state.waiting
        }
        waiting?.resume(returning: reason)
    }

    /// Waits until the operation is told to stop; nil when the waiting task is cancelled.
    ///
    /// One task may wait.
    func wait() async -> StopReason? {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let answer = state.withLock { state -> StopReason?? in
                    if let reason = state.reason { return .some(reason) }
                    if Task.isCancelled { return .some(nil) }
                    state.waiting = continuation
                    return nil
                }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            let waiting = state.withLock { state -> CheckedContinuation<StopReason?, Never>? in
                defer { state.waiting = nil }
                return state.waiting
            }
            waiting?.resume(returning: nil)
        }
    }

    /// Runs `body` and cancels it when the signal comes; returns when `body` has ended.
    ///
    /// - Returns: what `body` answers, even where it finished in spite of the signal: what has been
    ///   done is never reported as not done.
    /// - Throws: the `StopReason` when the body ended because of it; else what `body` throws.
    func run<Answer: Sendable>(
        _ body: @escaping @Sendable () async throws -> Answer
    ) async throws -> Answer {
        try await withThrowingTaskGroup(of: StopOrEnd<Answer>.self) { group in
            group.addTask {
                do {
                    return .ended(.success(try await body()))
                } catch {
                    return .ended(.failure(error))
                }
            }
            group.addTask { .stopped(await self.wait()) }
            var reason: StopReason?
            while let next = try await group.next() {
                switch next {
                case .stopped(let stopped):
                    reason = stopped
                    group.cancelAll()
                case .ended(.success(let answer)):
                    group.cancelAll()
                    return answer
                case .ended(.failure(let error)):
                    group.cancelAll()
                    throw reason ?? error
                }
            }
            throw CancellationError()
        }
    }
}

private enum StopOrEnd<Answer: Sendable>: Sendable {
    case stopped(StopReason?)
    case ended(Result<Answer, any Error>)
}
