import Dispatch

/// A bounded set of threads for blocking calls that need no actor of their own: file I/O, hashing
/// of large buffers, waiting for a child.
///
/// At most `width` bodies run at once; further callers wait, in order, without holding a thread.
public final class BlockingPool: Sendable {
    private let queue: DispatchQueue
    private let state: Locked<State>

    private struct State {
        var free: Int
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    /// - Parameters:
    ///   - label: what the threads' queue is called in a debugger.
    ///   - width: how many bodies run at once, at least 1.
    public init(label: String, width: Int) {
        precondition(width >= 1, "a pool needs a thread")
        queue = DispatchQueue(label: label, attributes: .concurrent)
        state = Locked(State(free: width))
    }

    /// Runs `body` on a thread of the pool.
    ///
    /// Cancellation of the task does not interrupt a body that runs; a body that loops should look
    /// at `Task.isCancelled` through a flag of its own.
    /// - Throws: what `body` throws.
    public func run<Answer: Sendable>(
        _ body: @escaping @Sendable () throws -> Answer
    ) async throws -> Answer {
        await acquire()
        defer { release() }
        return try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Result { try body() }) }
        }
    }

    private func acquire() async {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let isFree = state.withLock { state -> Bool in
                guard state.free > 0 else {
                    state.waiting.append(continuation)
                    return false
                }
                state.free -= 1
                return true
            }
            if isFree { continuation.resume() }
        }
    }

    private func release() {
        let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard !state.waiting.isEmpty else {
                state.free += 1
                return nil
            }
            return state.waiting.removeFirst()
        }
        next?.resume()
    }
}
