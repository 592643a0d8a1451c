/// Which connections a pool has and who waits for one: decisions only, no connection is touched.
///
/// A slot is the right to have a connection; there are `limit` of them.
struct PoolState<Connection: Sendable>: Sendable {
    /// A connection with the moment it was made, for recycling by age.
    struct Pooled: Sendable {
        let connection: Connection
        let madeAt: ContinuousClock.Instant
    }

    /// What whoever asked for a connection may do.
    enum Grant: Sendable {
        /// Use this one, which was idle or has just been released.
        case use(Pooled)
        /// Connect; the slot is taken already.
        case connect
    }

    enum Answer: Sendable {
        case granted(Grant)
        /// Nothing is free: the caller's ticket is in the queue.
        case queued
        case closed
        /// Too many wait already.
        case full
    }

    private let limit: Int
    private let queueLimit: Int
    private var idle: [Pooled] = []
    private(set) var slots = 0
    private var queue: [UInt64] = []
    private(set) var isClosed = false

    init(limit: Int, queueLimit: Int = 1024) {
        self.limit = max(1, limit)
        self.queueLimit = max(0, queueLimit)
    }

    var waiting: Int { queue.count }

    /// Asks for a connection; those who wait come first.
    mutating func acquire(_ ticket: UInt64) -> Answer {
        if isClosed { return .closed }
        if queue.isEmpty {
            // The one used last: it is warm, and the others may grow old.
            if let pooled = idle.popLast() { return .granted(.use(pooled)) }
            if slots < limit {
                slots += 1
                return .granted(.connect)
            }
        }
        guard queue.count < queueLimit else { return .full }
        queue.append(ticket)
        return .queued
    }

    /// Ends a wait without a grant.
    ///
    /// - Returns: false when the ticket was served already.
    mutating func giveUp(_ ticket: UInt64) -> Bool {
        guard let index = queue.firstIndex(of: ticket) else { return false }
        queue.remove(at: index)
        return true
    }

    /// A usable connection comes back: the longest waiting ticket gets it.
    ///
    /// - Returns: whom to resume, if anyone. When the pool is closed the connection is not kept
    ///   and the caller closes it.
    mutating func release(_ pooled: Pooled) -> (ticket: UInt64, grant: Grant)? {
        if isClosed {
            slots -= 1
            return nil
        }
        guard !queue.isEmpty else {
            idle.append(pooled)
            return nil
        }
        return (queue.removeFirst(), .use(pooled))
    }

    /// A connection is gone, or none could be made: the longest waiting ticket may connect.
    mutating func discard() -> (ticket: UInt64, grant: Grant)? {
        guard !isClosed, !queue.isEmpty else {
            slots -= 1
            return nil
        }
        return (queue.removeFirst(), .connect)
    }

    /// Ends the pool.
    ///
    /// - Returns: the idle connections to close and the tickets to refuse.
    mutating func close() -> (idle: [Pooled], refused: [UInt64]) {
        isClosed = true
        defer {
            slots -= idle.count
            idle = []
            queue = []
        }
        return (idle, queue)
    }
}
