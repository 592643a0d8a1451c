import Dispatch

/// A bounded set of threads for blocking calls that need no actor of their own: file I/O, hashing
/// of large buffers, waiting for a child.
///
/// At most `width` bodies run at once; further callers wait, in order, without holding a thread.
/// Every place in the pool is a serial queue, because only those get threads of their own: a
/// concurrent queue runs on the threads that tasks run on, as many as the machine has cores.
public final class BlockingPool: Sendable {
    private let state: Locked<State>

    private struct State {
        var idle: [DispatchQueue]
        var waiting: [CheckedContinuation<DispatchQueue, Never>] = []
    }

    /// - Parameters:
    ///   - label: what the threads' queues are called in a debugger.
    ///   - width: how many bodies run at once, at least 1.
    public init(label: String, width: Int) {
        precondition(width >= 1, "a pool needs a thread")
        state = Locked(State(idle: (0..<width).map { DispatchQueue(label: "\(label) \($0)") }))
    }

    /// Runs `body` on a thread of the pool.
    ///
    /// Cancellation of the task does not interrupt a body that runs; a body that loops should look
    /// at `Task.isCancelled` through a flag of its own.
    /// - Throws: what `body` throws.
    public func run<Answer: Sendable>(
        _ body: @escaping @Sendable () throws -> Answer
    ) async throws -> Answer {
        let queue = await acquire()
        defer { release(queue) }
        return try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Result { try body() }) }
        }
    }

    private func acquire() async -> DispatchQueue {
        await withCheckedContinuation { (mine: CheckedContinuation<DispatchQueue, Never>) in
            let queue = state.withLock { state -> DispatchQueue? in
                if let queue = state.idle.popLast() { return queue }
                state.waiting.append(mine)
                return nil
            }
            if let queue { mine.resume(returning: queue) }
        }
    }

    private func release(_ queue: DispatchQueue) {
        let next = state.withLock { state -> CheckedContinuation<DispatchQueue, Never>? in
            guard !state.waiting.isEmpty else {
                state.idle.append(queue)
                return nil
            }
            return state.waiting.removeFirst()
        }
        next?.resume(returning: queue)
    }
}
