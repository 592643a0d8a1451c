import Platform

/// Something that happens once, and one task that waits for it.
final class Latch: Sendable {
    private struct State {
        var isOpen = false
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Locked(State())

    var isOpen: Bool { state.withLock { $0.isOpen } }

    /// Lets the waiter go, now or when it comes.
    func open() {
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.isOpen = true
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    /// Returns once it has happened or the task is canceled.
    func wait() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { (mine: CheckedContinuation<Void, Never>) in
                let mayGo = state.withLock { state -> Bool in
                    precondition(state.waiter == nil, "one task waits for a latch")
                    if state.isOpen || Task.isCancelled { return true }
                    state.waiter = mine
                    return false
                }
                if mayGo { mine.resume() }
            }
        } onCancel: {
            let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
                defer { state.waiter = nil }
                return state.waiter
            }
            waiter?.resume()
        }
    }
}
