import CMicrohttpd
import Glibc
import Platform

/// What the daemon's callbacks share with the server: its requests and connections.
final class ServerCore: Sendable {
    private struct Connection {
        let socket: Int32
        /// When it is dropped unless it gets on; nil while a handler works.
        var deadline: ContinuousClock.Instant?
    }

    private struct State {
        var exchanges: [ObjectIdentifier: Exchange] = [:]
        var connections: [UInt: Connection] = [:]
        var acceptedCount = 0
        var disconnectCall: (@Sendable () -> Void)?
        var isStopping = false
        var isClosed = false
        var idleCalls: [@Sendable () -> Void] = []

        mutating func takeIdleCalls() -> [@Sendable () -> Void] {
            guard exchanges.isEmpty else { return [] }
            defer { idleCalls = [] }
            return idleCalls
        }
    }

    let options: HTTPServerOptions
    private let requests: AsyncStream<Exchange>.Continuation
    private let clock = ContinuousClock()
    private let state = Locked(State())

    init(options: HTTPServerOptions, requests: AsyncStream<Exchange>.Continuation) {
        self.options = options
        self.requests = requests
    }

    /// Whether responses should close their connection.
    var isStopping: Bool { state.withLock { $0.isStopping } }

    // MARK: called by the daemon

    /// A connection was accepted.
    func connected(_ connection: UInt, socket: Int32) {
        let deadline = clock.now + options.idleTimeout
        state.withLock {
            $0.connections[connection] = Connection(socket: socket, deadline: deadline)
        }
    }

    /// A connection is about to be closed; its socket is still open.
    func disconnected(_ connection: UInt) {
        let call = state.withLock { state in
            state.connections.removeValue(forKey: connection)
            state.acceptedCount -= 1
            defer { state.disconnectCall = nil }
            return state.disconnectCall
        }
        call?()
    }

    /// A request has begun.
    func begin(_ exchange: Exchange) {
        state.withLock { $0.exchanges[ObjectIdentifier(exchange)] = exchange }
    }

    /// A request's head is there: its body has a deadline, its handler has none here.
    func headReceived(_ exchange: Exchange, hasBody: Bool) {
        let deadline = hasBody ? clock.now + options.bodyDeadline : nil
        state.withLock { $0.connections[exchange.connection]?.deadline = deadline }
    }

    /// A request's body is there.
    func bodyReceived(_ exchange: Exchange) {
        state.withLock { $0.connections[exchange.connection]?.deadline = nil }
    }

    /// A request is complete; its connection waits for the next.
    func end(_ exchange: Exchange) {
        let deadline = clock.now + options.idleTimeout
        let calls = state.withLock { state -> [@Sendable () -> Void] in
            state.exchanges.removeValue(forKey: ObjectIdentifier(exchange))
            state.connections[exchange.connection]?.deadline = deadline
            return state.takeIdleCalls()
        }
        exchange.complete()
        for call in calls { call() }
    }

    /// Hands a request to the server's task.
    ///
    /// - Returns: the answer if there is no room, or none are taken any more.
    func submit(_ exchange: Exchange) -> HTTPResponse? {
        if !state.withLock({ $0.isClosed }), case .enqueued = requests.yield(exchange) {
            return nil
        }
        var response = options.refusal(
            HTTPError(code: .overloaded, message: "the server is busy, try again in a second"))
        if response.headers["Retry-After"] == nil { response.headers["Retry-After"] = "1" }
        return response
    }

    // MARK: called by the server

    /// Counts a connection that is about to be accepted.
    ///
    /// - Parameter whenPossible: called once, after a connection has ended, if there is no room.
    /// - Returns: whether there is room.
    func admit(whenPossible: @escaping @Sendable () -> Void) -> Bool {
        state.withLock { state in
            guard state.acceptedCount < options.connectionLimit else {
                state.disconnectCall = whenPossible
                return false
            }
            state.acceptedCount += 1
            return true
        }
    }

    /// Takes back what was counted: nobody was there.
    func dismiss() { state.withLock { $0.acceptedCount -= 1 } }

    /// Drops connections that are past their deadline and requests whose clients have left.
    ///
    /// A suspended connection notices neither by itself.
    func sweep() {
        let now = clock.now
        let resting = state.withLock { state -> [(Exchange, UInt64, Int32)] in
            for (key, connection) in state.connections {
                guard let deadline = connection.deadline, deadline < now else { continue }
                // Inside the lock: `disconnected` has not been called, so the socket is its own.
                shutdown(connection.socket, Int32(SHUT_RDWR))
                state.connections[key]?.deadline = nil
            }
            return state.exchanges.values.compactMap { exchange in
                exchange.gate.rest.map { (exchange, $0.number, $0.socket) }
            }
        }
        guard !resting.isEmpty else { return }
        let interest: Int16 = 0x2000  // POLLRDHUP, which glibc shows only to GNU sources
        var entries = resting.map { pollfd(fd: $0.2, events: interest, revents: 0) }
        guard unsafe poll(&entries, nfds_t(entries.count), 0) > 0 else { return }
        for (entry, (exchange, number, _)) in zip(entries, resting) where entry.revents != 0 {
            // Still the same rest: the socket was this client's all the time.
            guard exchange.gate.rest?.number == number else { continue }
            exchange.abandon(HTTPError(code: .connectionReset, message: "the client has left"))
        }
    }

    /// Calls once, when no request is incomplete: now or later.
    func whenIdle(_ call: @escaping @Sendable () -> Void) {
        let calls = state.withLock { state -> [@Sendable () -> Void] in
            state.idleCalls.append(call)
            return state.takeIdleCalls()
        }
        for call in calls { call() }
    }

    /// From here on every response closes its connection.
    func beginStopping() { state.withLock { $0.isStopping = true } }

    /// From here on no request is taken and none rests: the daemon can be stopped.
    func close() {
        let left = state.withLock { state -> [Exchange] in
            state.isStopping = true
            state.isClosed = true
            return Array(state.exchanges.values)
        }
        requests.finish()
        for exchange in left where !exchange.isAnswered {
            exchange.abandon(HTTPError(code: .closed, message: "the server is stopping"))
        }
    }

    /// Drops what is still being sent.
    func abandonAll() {
        for exchange in state.withLock({ Array($0.exchanges.values) }) {
            exchange.abandon(HTTPError(code: .closed, message: "the server is stopping"))
        }
    }
}
