import Platform

/// Wakes those in this process who wait for work in a lane.
///
/// Only a hint: whoever waits also looks at the tables every so often.
final class OperationBell: Sendable {
    private struct State {
        var last: UInt64 = 0
        var waiters: [UInt64: (lane: String, waiter: CheckedContinuation<Void, Never>)] = [:]
        /// How often each lane was rung, so that a ring between a look and the wait counts.
        var rings: [String: UInt64] = [:]
        var everywhere: UInt64 = 0
        var isWanted = false
        var isClosed = false
        var isWatched = false
        var listener: CheckedContinuation<Void, Never>?
        /// Something may be ready somewhere, and nobody has looked since.
        var isLookWanted = false
        var lookout: CheckedContinuation<Void, Never>?
    }

    /// The hub's own lane.
    static let hub = "hub"
    /// Rung when an operation ends.
    static let ended = "ended"

    private let state = Locked(State())

    init() {}

    /// How often a lane was rung until now; take it before looking at the tables.
    func ticket(_ lane: String) -> UInt64 {
        state.withLock { $0.everywhere &+ ($0.rings[lane] ?? 0) }
    }

    /// Whether this process is about to end: nobody should wait for long any more.
    var isClosed: Bool { state.withLock { $0.isClosed } }

    /// Whether somebody looks at the lanes for all who wait (`LaneWatch`).
    var isWatched: Bool {
        get { state.withLock { $0.isWatched } }
        set { state.withLock { $0.isWatched = newValue } }
    }

    /// The lanes that somebody waits for.
    var awaitedLanes: [String] {
        Set(state.withLock { $0.waiters.values.map(\.lane) }).subtracting([Self.ended]).sorted()
    }

    /// How long to wait at most before looking by oneself.
    func patience(_ poll: Duration) -> Duration { isWatched ? max(poll, .seconds(10)) : poll }

    /// Wakes all for the last time.
    func close() {
        state.withLock { $0.isClosed = true }
        ringAll()
    }

    /// Rings lanes of this process, and asks for one message to the other hubs.
    func ring(_ lanes: Set<String>) {
        guard !lanes.isEmpty else { return }
        let (woken, listener) = state.withLock { state in
            for lane in lanes { state.rings[lane, default: 0] &+= 1 }
            let tickets = state.waiters.filter { lanes.contains($0.value.lane) }.map(\.key)
            let listener = state.listener
            state.listener = nil
            if listener == nil { state.isWanted = true }
            return (tickets.compactMap { state.waiters.removeValue(forKey: $0) }, listener)
        }
        for entry in woken { entry.waiter.resume() }
        listener?.resume()
    }

    /// Rings one lane of this process only.
    func wake(_ lane: String) {
        let woken = state.withLock { state in
            state.rings[lane, default: 0] &+= 1
            let tickets = state.waiters.filter { $0.value.lane == lane }.map(\.key)
            return tickets.compactMap { state.waiters.removeValue(forKey: $0) }
        }
        for entry in woken { entry.waiter.resume() }
    }

    /// Another hub says that something is ready or has ended, and not in which lane.
    ///
    /// Thousands of idle agents must not all ask the database then: who looks at the lanes for all
    /// of them does so at once. Without one everybody is woken.
    func hint() {
        let (isWatched, lookout) = state.withLock { state in
            guard state.isWatched else { return (false, nil as CheckedContinuation<Void, Never>?) }
            let lookout = state.lookout
            state.lookout = nil
            if lookout == nil { state.isLookWanted = true }
            return (true, lookout)
        }
        guard isWatched else { return ringAll() }
        wake(Self.hub)
        wake(Self.ended)
        lookout?.resume()
    }

    /// Waits for a hint; at most for `limit`.
    ///
    /// - Throws: `CancellationError`.
    func hinted(atMost limit: Duration) async throws {
        try await Self.wait(atMost: limit) { await self.hinted() }
    }

    /// Waits for the end of `body`, which heeds cancellation, or of the limit.
    private static func wait(
        atMost limit: Duration, for body: @escaping @Sendable () async -> Void
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await body() }
            group.addTask { try await Task.sleep(for: limit) }
            defer { group.cancelAll() }
            try await group.next()
        }
        try Task.checkCancellation()
    }

    private func hinted() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                let isDue = state.withLock { state in
                    if state.isLookWanted || Task.isCancelled {
                        state.isLookWanted = false
                        return true
                    }
                    state.lookout = waiter
                    return false
                }
                if isDue { waiter.resume() }
            }
        } onCancel: {
            state.withLock { state in
                let lookout = state.lookout
                state.lookout = nil
                return lookout
            }?.resume()
        }
    }

    /// Rings every lane of this process.
    func ringAll() {
        let woken = state.withLock { state in
            state.everywhere &+= 1
            let all = Array(state.waiters.values)
            state.waiters = [:]
            return all
        }
        for entry in woken { entry.waiter.resume() }
    }

    /// Waits until `lane` is rung after `ticket` was taken, or `limit` is over.
    ///
    /// - Throws: `CancellationError`.
    func wait(_ lane: String, after ticket: UInt64, atMost limit: Duration) async throws {
        try await Self.wait(atMost: limit) { await self.rung(lane, after: ticket) }
    }

    private func rung(_ lane: String, after ticket: UInt64) async {
        let number = state.withLock { state in
            state.last += 1
            return state.last
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                let isDue = state.withLock { state in
                    let now = state.everywhere &+ (state.rings[lane] ?? 0)
                    if now != ticket || Task.isCancelled { return true }
                    state.waiters[number] = (lane, waiter)
                    return false
                }
                if isDue { waiter.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: number) }?.waiter.resume()
        }
    }

    /// Waits until somebody wants the other hubs to be told.
    func wanted() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                let isDue = state.withLock { state in
                    if state.isWanted || Task.isCancelled {
                        state.isWanted = false
                        return true
                    }
                    state.listener = waiter
                    return false
                }
                if isDue { waiter.resume() }
            }
        } onCancel: {
            state.withLock { state in
                let listener = state.listener
                state.listener = nil
                return listener
            }?.resume()
        }
    }
}
