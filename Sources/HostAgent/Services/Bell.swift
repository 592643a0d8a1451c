import Platform

/// Wakes one service: a ring is remembered until somebody waits, and many rings are one.
final class Bell: Sendable {
    private struct State {
        var isRung = false
        var waiting: CheckedContinuation<Void, Never>?
    }

    private let state = Locked(State())

    /// Wakes the service, now or when it waits next.
    func ring() {
        let waiting = state.withLock { state -> CheckedContinuation<Void, Never>? in
            let waiting = state.waiting
            state.waiting = nil
            if waiting == nil { state.isRung = true }
            return waiting
        }
        waiting?.resume()
    }

    /// Waits for a ring, at most `limit`; only one task may wait at a time.
    ///
    /// - Throws: `CancellationError`.
    func wait(upTo limit: Duration) async throws {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.waitForRing() }
            // The sleep ends early only by cancellation, which is looked at below.
            group.addTask { try? await ContinuousClock().sleep(for: limit) }
            await group.next()
            group.cancelAll()
        }
        try Task.checkCancellation()
    }

    private func waitForRing() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
                let isDone = state.withLock { state -> Bool in
                    if state.isRung || Task.isCancelled {
                        state.isRung = false
                        return true
                    }
                    state.waiting = continuation
                    return false
                }
                if isDone { continuation.resume() }
            }
        } onCancel: {
            let waiting = state.withLock { state -> CheckedContinuation<Void, Never>? in
                let waiting = state.waiting
                state.waiting = nil
                return waiting
            }
            waiting?.resume()
        }
    }
}
