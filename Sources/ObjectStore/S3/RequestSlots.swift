import Platform

/// How many requests are made at once; further ones wait in order, without holding a thread.
final class RequestSlots: Sendable {
    private struct State {
        var free: Int
        var next: UInt64 = 0
        var waiting: [(ticket: UInt64, continuation: CheckedContinuation<Bool, Never>)] = []
    }

    private let state: Locked<State>

    init(_ count: Int) {
        precondition(count >= 1, "nothing would ever be sent")
        state = Locked(State(free: count))
    }

    /// How many slots nobody has; for tests.
    var freeCount: Int { state.withLock { $0.free } }

    /// Runs `body` when there is a slot.
    ///
    /// - Throws: what `body` throws; `CancellationError`.
    func run<Answer: Sendable>(_ body: () async throws -> Answer) async throws -> Answer {
        try await acquire()
        defer { release() }
        return try await body()
    }

    private func acquire() async throws {
        try Task.checkCancellation()
        let ticket = state.withLock { state -> UInt64 in
            state.next += 1
            return state.next
        }
        let isMine = await withTaskCancellationHandler {
            await withCheckedContinuation { (mine: CheckedContinuation<Bool, Never>) in
                let answer = state.withLock { state -> Bool? in
                    if Task.isCancelled { return false }
                    guard state.free == 0 else {
                        state.free -= 1
                        return true
                    }
                    state.waiting.append((ticket, mine))
                    return nil
                }
                if let answer { mine.resume(returning: answer) }
            }
        } onCancel: {
            let mine = state.withLock { state -> CheckedContinuation<Bool, Never>? in
                guard let index = state.waiting.firstIndex(where: { $0.ticket == ticket }) else {
                    return nil
                }
                return state.waiting.remove(at: index).continuation
            }
            mine?.resume(returning: false)
        }
        guard isMine else { throw CancellationError() }
    }

    private func release() {
        let next = state.withLock { state -> CheckedContinuation<Bool, Never>? in
            guard !state.waiting.isEmpty else {
                state.free += 1
                return nil
            }
            return state.waiting.removeFirst().continuation
        }
        next?.resume(returning: true)
    }
}
