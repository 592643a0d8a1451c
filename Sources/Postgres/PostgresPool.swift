import Dispatch
import Platform

/// A bounded set of connections to one database.
///
/// Connections are made when they are needed. Whoever waits is served in order. A connection that
/// failed, holds an open transaction or is too old is replaced; an idle one that the server closed
/// is noticed, without a round trip, before it is handed out.
public final class PostgresPool: Sendable {
    /// The limits of a pool.
    public struct Limits: Sendable {
        /// How many connections there are at most, 1 or more; default 8.
        public var connections: Int
        /// How long a caller waits for a free connection; default 5 seconds.
        public var acquireTimeout: Duration
        /// How many callers may wait at once; default 1024.
        public var waiting: Int
        /// After how long a connection is replaced by a new one; default 30 minutes.
        public var maximumAge: Duration

        /// Limits with the defaults of the properties.
        public init(
            connections: Int = 8, acquireTimeout: Duration = .seconds(5),
            waiting: Int = 1024, maximumAge: Duration = .seconds(1800)
        ) {
            self.waiting = waiting
            self.connections = connections
            self.acquireTimeout = acquireTimeout
            self.maximumAge = maximumAge
        }
    }

    private typealias State = PoolState<PostgresConnection>
    private typealias Waiter = CheckedContinuation<State.Grant, any Error>

    private struct Shared {
        var state: State
        var waiters: [UInt64: Waiter] = [:]
        var lastTicket: UInt64 = 0
    }

    private let options: PostgresOptions
    private let limits: Limits
    private let shared: Locked<Shared>
    private let timers = DispatchQueue(label: "berth.postgres.pool")

    /// Makes a pool; nothing connects yet.
    public init(_ options: PostgresOptions, limits: Limits = Limits()) {
        self.options = options
        self.limits = limits
        shared = Locked(Shared(state: State(limit: limits.connections, queueLimit: limits.waiting)))
    }

    /// Lends a connection to `body`, which must not keep it.
    ///
    /// - Throws: `PostgresError` `.poolExhausted` when none became free in time,
    ///   `.connectionFailed`, `.closed`; `CancellationError`; what `body` throws.
    @discardableResult
    public func withConnection<Answer>(
        _ body: (PostgresConnection) async throws -> Answer
    ) async throws -> Answer {
        let pooled = try await acquire()
        do {
            let answer = try await body(pooled.connection)
            await release(pooled)
            return answer
        } catch {
            await release(pooled)
            throw error
        }
    }

    /// Runs `body` in a transaction: committed when it returns, rolled back when it throws.
    ///
    /// - Parameters:
    ///   - isolation: default read committed.
    ///   - isReadOnly: refuses changes; default false.
    ///   - retry: how often the whole of `body` runs again after a serialization failure, a
    ///     deadlock, or a connection that was lost before the commit; default not at all. `body`
    ///     must then have no effect outside the database.
    /// - Throws: as `withConnection` and `PostgresConnection.withTransaction`; `.outcomeUnknown`
    ///   when nobody can know whether the transaction happened, which is never retried.
    @discardableResult
    public func withTransaction<Answer>(
        isolation: PostgresIsolation = .readCommitted, isReadOnly: Bool = false,
        retry: PostgresRetry = .none,
        _ body: (PostgresTransaction) async throws -> Answer
    ) async throws -> Answer {
        var random = Random()
        var attempt = 1
        while true {
            var isConflict = false
            do {
                return try await withConnection { connection in
                    do {
                        return try await connection.withTransaction(
                            isolation: isolation, isReadOnly: isReadOnly, body)
                    } catch {
                        let own = error as? PostgresError
                        isConflict = own?.leavesNothing ?? false
                        if own?.code != .outcomeUnknown, await connection.hadConflict {
                            isConflict = true
                        }
                        throw error
                    }
                }
            } catch {
                // No connection: nothing was sent.
                let isUnsent = (error as? PostgresError)?.code == .connectionFailed
                guard isConflict || isUnsent, attempt < retry.attempts else { throw error }
                try await Task.sleep(
                    for: retry.backoff.delay(afterAttempt: attempt, using: &random))
                attempt += 1
            }
        }
    }

    /// Runs one statement on any connection of the pool.
    ///
    /// - Throws: as `withConnection` and `PostgresConnection.query`.
    @discardableResult
    public func query(_ query: PostgresQuery) async throws -> PostgresResult {
        try await withConnection { try await $0.query(query) }
    }

    /// Closes idle connections, refuses whoever waits; connections in use close when they come
    /// back.
    public func close() async {
        let (idle, refused) = shared.withLock { shared in
            let (idle, tickets) = shared.state.close()
            return (idle, tickets.compactMap { shared.waiters.removeValue(forKey: $0) })
        }
        for waiter in refused { waiter.resume(throwing: PostgresPool.closed) }
        for pooled in idle { await pooled.connection.close() }
    }

    /// How many connections exist or are being made, and how many callers wait for one.
    public var load: (connections: Int, waiting: Int) {
        shared.withLock { ($0.state.slots, $0.state.waiting) }
    }

    // MARK: Acquiring

    private static var closed: PostgresError {
        PostgresError(code: .closed, message: "the connection pool is closed")
    }

    private func acquire() async throws -> State.Pooled {
        try Task.checkCancellation()
        var grant = try await nextGrant()
        while case .use(let pooled) = grant {
            if await isUsable(pooled) { return pooled }
            await pooled.connection.close()
            // The slot stays ours; only the connection in it is replaced.
            grant = .connect
        }
        do {
            let connection = try await PostgresConnection.connect(options)
            return State.Pooled(connection: connection, madeAt: .now)
        } catch {
            serve { $0.discard() }
            throw error
        }
    }

    private func isUsable(_ pooled: State.Pooled) async -> Bool {
        guard ContinuousClock.now - pooled.madeAt < limits.maximumAge else { return false }
        guard pooled.connection.hasInput else { return true }
        return await pooled.connection.isWholeWhileIdle()
    }

    /// Asks, and waits in the queue when nothing is free.
    ///
    /// The ticket enters the queue and its continuation the table under one lock: whoever serves a
    /// ticket finds its continuation. Timing out, cancelling and being served exclude each other,
    /// because each takes the ticket out of the queue under that lock.
    private func nextGrant() async throws -> State.Grant {
        let ticket = shared.withLock { shared in
            shared.lastTicket += 1
            return shared.lastTicket
        }
        let timer = DispatchWorkItem { @Sendable [self] in refuse(ticket, because: exhausted) }
        defer { timer.cancel() }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (waiter: Waiter) in
                let answer = shared.withLock { shared -> Result<State.Grant, any Error>? in
                    // A cancellation that comes later finds the waiter in the table.
                    guard !Task.isCancelled else { return .failure(CancellationError()) }
                    switch shared.state.acquire(ticket) {
                    case .granted(let grant): return .success(grant)
                    case .closed: return .failure(PostgresPool.closed)
                    case .full: return .failure(full)
                    case .queued:
                        shared.waiters[ticket] = waiter
                        return nil
                    }
                }
                if let answer { return waiter.resume(with: answer) }
                timers.asyncAfter(
                    deadline: .now() + .milliseconds(Int(limits.acquireTimeout.wholeMilliseconds)),
                    execute: timer)
            }
        } onCancel: {
            refuse(ticket, because: CancellationError())
        }
    }

    private var full: PostgresError {
        PostgresError(
            code: .poolExhausted,
            message: "\(limits.waiting) callers wait for a database connection already")
    }

    private var exhausted: PostgresError {
        PostgresError(
            code: .poolExhausted,
            message: "none of \(limits.connections) database connections became free within "
                + "\(limits.acquireTimeout); raise the pool's size or look for slow transactions")
    }

    private func refuse(_ ticket: UInt64, because error: any Error) {
        let waiter = shared.withLock { shared -> Waiter? in
            guard shared.state.giveUp(ticket) else { return nil }
            return shared.waiters.removeValue(forKey: ticket)
        }
        waiter?.resume(throwing: error)
    }

    // MARK: Releasing

    private func release(_ pooled: State.Pooled) async {
        guard await pooled.connection.isWholeWhileIdle() else {
            await pooled.connection.close()
            serve { $0.discard() }
            return
        }
        let isClosed = serve { state in
            let next = state.release(pooled)
            return next
        }
        if isClosed { await pooled.connection.close() }
    }

    /// Resumes whom the state names; answers whether the pool is closed.
    @discardableResult
    private func serve(
        _ decide: (inout State) -> (ticket: UInt64, grant: State.Grant)?
    ) -> Bool {
        let (waiter, grant, isClosed) = shared.withLock { shared in
            let next = decide(&shared.state)
            let waiter = next.flatMap { shared.waiters.removeValue(forKey: $0.ticket) }
            return (waiter, next?.grant, shared.state.isClosed)
        }
        if let waiter, let grant { waiter.resume(returning: grant) }
        return isClosed
    }
}
