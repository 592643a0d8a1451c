import Platform
import Postgres
import Shared

/// The log's end for all readers of this hub: looked at once for all of them while anybody waits,
/// and the last events kept, so that thousands of idle streams cost a few queries a second.
final class EventFeed: Service {
    /// How often the end is looked at while anybody waits.
    private static let tick: Duration = .milliseconds(100)
    /// How many events are kept.
    private static let kept = 1000
    /// How long what the retention leaves out is remembered.
    private static let floorAge: Duration = .seconds(60)

    private struct Waiter {
        let after: Int64
        let until: ContinuousClock.Instant
        let resume: CheckedContinuation<Void, Never>
    }

    private struct State {
        var newest: Int64 = 0
        var timeline: TimelineID?
        var recent: [EventDescription] = []
        var waiters: [UInt64: Waiter] = [:]
        var last: UInt64 = 0
        var floor: Int64 = 0
        var floorAt: ContinuousClock.Instant?
    }

    private let pool: PostgresPool
    private let retention: Duration
    private let log: Logger
    private let state = Locked(State())

    /// - Parameter retention: how old the events are that the feed still offers.
    init(pool: PostgresPool, retention: Duration, log: Logger) {
        self.pool = pool
        self.retention = retention
        self.log = log
    }

    /// The next piece of the feed behind `after`.
    ///
    /// - Parameters:
    ///   - timeline: the history that the reader has seen events of; nil where it does not say.
    ///   - limit: 1 to 1,000 events.
    ///   - hasWaited: whether the reader comes from `wait`, and so may be given what was seen when
    ///     it was woken. Anybody else gets what is in the log now.
    func page(
        after: Int64, of timeline: TimelineID?, _ filter: EventFilter, limit: Int,
        hasWaited: Bool = false
    ) async throws -> EventPage {
        if hasWaited, let page = recent(after: after, of: timeline, filter, limit: limit) {
            return page
        }
        return try await pool.withTransaction(retry: PostgresRetry()) { transaction in
            let reader = EventReader(transaction)
            let (newest, now) = try await reader.newest()
            let floor = try await floor(reader, newest: newest)
            let isOther = after > newest || (timeline != nil && timeline != now)
            if isOther || after < floor {
                return EventPage(
                    items: [], next: newest, newest: newest, timeline: now,
                    reset: EventReset(
                        reason: isOther ? .timeline : .retention, oldest: floor + 1,
                        newest: newest, timeline: now))
            }
            let found = try await reader.events(
                after: after, through: newest, filter, limit: limit)
            return EventPage(
                items: found.events, next: found.next, newest: newest, timeline: now, reset: nil)
        }
    }

    /// Where the log ends, and the first event that is offered.
    func ends() async throws -> (oldest: Int64, newest: Int64) {
        try await pool.withTransaction(retry: PostgresRetry()) { transaction in
            let reader = EventReader(transaction)
            let (newest, _) = try await reader.newest()
            return (try await floor(reader, newest: newest) + 1, newest)
        }
    }

    /// Waits until there are events behind `after`, or `limit` is over.
    ///
    /// - Throws: `CancellationError`.
    func wait(after: Int64, atMost limit: Duration) async throws {
        let until = ContinuousClock.now + limit
        let number = state.withLock { state in
            state.last += 1
            return state.last
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                let isDue = state.withLock { state in
                    if state.newest > after || Task.isCancelled { return true }
                    state.waiters[number] = Waiter(after: after, until: until, resume: waiter)
                    return false
                }
                if isDue { waiter.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: number) }?.resume.resume()
        }
        try Task.checkCancellation()
    }

    /// Looks at the log's end while anybody waits.
    func run() async throws {
        while !Task.isCancelled {
            try await Task.sleep(for: Self.tick)
            guard state.withLock({ !$0.waiters.isEmpty }) else { continue }
            do {
                try await look()
            } catch let error as PostgresError {
                log.debug("the log's end cannot be seen", ["error": "\(error)"])
            }
            let now = ContinuousClock.now
            let due = state.withLock { state in
                let newest = state.newest
                let due = state.waiters.filter { $0.value.after < newest || $0.value.until <= now }
                for number in due.keys { state.waiters[number] = nil }
                return due.values.map(\.resume)
            }
            for waiter in due { waiter.resume() }
        }
    }

    /// Reads what was appended since the last look.
    private func look() async throws {
        let before = state.withLock { $0.newest }
        let found = try await pool.withTransaction(retry: PostgresRetry()) { transaction in
            let reader = EventReader(transaction)
            let (newest, timeline) = try await reader.newest()
            guard newest != before else { return (newest, timeline, [EventDescription]()) }
            let events = try await reader.events(
                after: max(newest - Int64(Self.kept), newest > before ? before : 0),
                through: newest, EventFilter(), limit: Self.kept
            ).events
            return (newest, timeline, events)
        }
        state.withLock { state in
            let (newest, timeline, events) = found
            // Another history, or a gap: what was kept does not lead to these.
            if newest < state.newest || timeline != state.timeline
                || state.recent.last.map({ $0.sequence + 1 }) != events.first?.sequence,
                newest != state.newest
            {
                state.recent = []
            }
            state.newest = newest
            state.timeline = timeline
            state.recent = Array((state.recent + events).suffix(Self.kept))
        }
    }

    /// A page from memory; nil where it does not reach back so far.
    private func recent(
        after: Int64, of timeline: TimelineID?, _ filter: EventFilter, limit: Int
    ) -> EventPage? {
        state.withLock { state in
            guard let now = state.timeline, timeline == nil || timeline == now,
                let first = state.recent.first, after + 1 >= first.sequence,
                after <= state.newest, state.recent.last?.sequence == state.newest
            else { return nil }
            let behind = state.recent[Int(after + 1 - first.sequence)...]
            let items = Array(behind.lazy.filter(filter.accepts).prefix(limit))
            return EventPage(
                items: items,
                next: items.count == limit ? items.last?.sequence ?? after : state.newest,
                newest: state.newest, timeline: now, reset: nil)
        }
    }

    private func floor(_ reader: EventReader, newest: Int64) async throws -> Int64 {
        let now = ContinuousClock.now
        let known = state.withLock { state in
            state.floorAt.map { now - $0 < Self.floorAge } == true ? state.floor : nil
        }
        if let known { return min(known, newest) }
        let floor = try await reader.floor(
            newest: newest, keepingSeconds: retention.components.seconds)
        state.withLock { state in
            state.floor = floor
            state.floorAt = now
        }
        return floor
    }
}
