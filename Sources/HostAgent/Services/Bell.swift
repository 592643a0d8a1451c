import Platform

/// Wakes one service: a ring is remembered until somebody waits, and many rings are one.
final class Bell: Sendable {
    private struct State {
        var isRung = false
        var waiting: CheckedContinuation<Bool, Never>?
    }

    private let state = Locked(State())

    /// Wakes the service, now or when it waits next.
    func ring() {
        let waiting = state.withLock { state -> CheckedContinuation<Bool, Never>? in
            let waiting = state.waiting
            state.waiting = nil
            if waiting == nil { state.isRung = true }
            return waiting
        }
        waiting?.resume(returning: true)
    }

    /// Waits for a ring, at most `limit`; only one task may wait at a time.
    ///
    /// - Returns: whether it was rung.
    /// - Throws: `CancellationError`.
    @discardableResult
    func wait(upTo limit: Duration) async throws -> Bool {
        let isRung = await withTaskGroup(of: Bool.self) { group in
            // Both, because a continuation has no time limit of its own.
            group.addTask { await self.waitForRing() }
            group.addTask {
                // The sleep ends early only by cancellation, which is looked at below.
                try? await ContinuousClock().sleep(for: limit)
                return false
            }
            var isRung = await group.next() ?? false
            group.cancelAll()
            // It may have been rung in the moment in which the time was up.
            for await rang in group where rang { isRung = true }
            return isRung
        }
        try Task.checkCancellation()
        return isRung
    }

    private func waitForRing() async -> Bool {
        await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Bool, Never>) in
                let isRung = state.withLock { state -> Bool? in
                    if state.isRung {
                        state.isRung = false
                        return true
                    }
                    if Task.isCancelled { return false }
                    state.waiting = continuation
                    return nil
                }
                if let isRung { continuation.resume(returning: isRung) }
            }
        } onCancel: {
            let waiting = state.withLock { state -> CheckedContinuation<Bool, Never>? in
                let waiting = state.waiting
                state.waiting = nil
                return waiting
            }
            waiting?.resume(returning: false)
        }
    }
}
