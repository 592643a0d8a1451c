import Platform
import Postgres
import Shared

/// Looks at all operations that somebody in this hub watches, with one statement for all of them, so
/// that thousands of idle streams cost a few queries a second.
final class OperationWatch: Service {
    private struct Watcher {
        let operation: OperationID
        let seen: String?
        let resume: CheckedContinuation<Void, Never>
    }

    private struct State {
        var watchers: [UInt64: Watcher] = [:]
        var last: UInt64 = 0
        var isRunning = false
    }

    private let pool: PostgresPool
    private let pause: Duration
    private let log: Logger
    private let state = Locked(State())

    /// - Parameter pause: how often is looked while anybody watches.
    init(pool: PostgresPool, pause: Duration = .milliseconds(500), log: Logger) {
        self.pool = pool
        self.pause = pause
        self.log = log
    }

    /// A mark that changes with everything that happens to an operation; nil for an unknown one.
    func mark(of operation: OperationID) async throws -> String? {
        try await OperationMarkStore(pool: pool).marks(of: [operation])[operation]
    }

    /// Waits until an operation's mark is another than `seen`, or the time is over.
    ///
    /// - Throws: `CancellationError`.
    func wait(
        for operation: OperationID, seen: String?, atMost limit: Duration
    ) async throws {
        let isWatched = state.withLock { $0.isRunning }
        let limit = isWatched ? limit : min(limit, pause)
        try await withThrowingTaskGroup(of: Void.self) { group in
            if isWatched { group.addTask { await self.changed(operation, seen) } }
            group.addTask { try await Task.sleep(for: limit) }
            defer { group.cancelAll() }
            try await group.next()
        }
        try Task.checkCancellation()
    }

    private func changed(_ operation: OperationID, _ seen: String?) async {
        let number = state.withLock { state in
            state.last += 1
            return state.last
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                let isOver = state.withLock { state in
                    guard state.isRunning, !Task.isCancelled else { return true }
                    state.watchers[number] = Watcher(
                        operation: operation, seen: seen, resume: waiter)
                    return false
                }
                if isOver { waiter.resume() }
            }
        } onCancel: {
            state.withLock { $0.watchers.removeValue(forKey: number) }?.resume.resume()
        }
    }

    func run() async throws {
        state.withLock { $0.isRunning = true }
        defer {
            let left = state.withLock { state in
                state.isRunning = false
                defer { state.watchers = [:] }
                return Array(state.watchers.values)
            }
            for watcher in left { watcher.resume.resume() }
        }
        while !Task.isCancelled {
            try await Task.sleep(for: pause)
            let watched = Set(state.withLock { $0.watchers.values.map(\.operation) })
            guard !watched.isEmpty else { continue }
            do {
                let marks = try await OperationMarkStore(pool: pool).marks(of: watched.sorted())
                let due = state.withLock { state in
                    let due = state.watchers.filter { marks[$0.value.operation] != $0.value.seen }
                    for number in due.keys { state.watchers[number] = nil }
                    return due.values.map(\.resume)
                }
                for waiter in due { waiter.resume() }
            } catch let error as PostgresError {
                log.debug(
                    "operations cannot be looked at", ["error": LogValue(describing: error)])
            }
        }
    }
}
