import CPostgres
import Dispatch
import Glibc
import Platform

/// How a cancelled task reaches the thread that waits for the server on its behalf.
///
/// A call takes a ticket when it begins. Cancelling marks the ticket, wakes the poll(2) through an
/// event descriptor and, for a statement, asks the server to stop it (PQcancel) on a queue of its
/// own, because that connects. A cancelled call ends only after its PQcancel has come back, so that
/// it can never hit the connection's next statement; PQcancel knows no time limit, so a connection
/// whose PQcancel does not come back in time is not used again, and nobody waits for it.
@safe final class Interrupt: Sendable {
    /// Readable while a cancellation waits to be noticed.
    let wakeup: Int32

    /// How a call ended.
    enum End {
        case undisturbed
        case cancelled
        /// Cancelled, and its PQcancel is still under way: it may hit whatever comes next.
        case stuck
    }

    private struct State {
        var last: UInt64 = 0
        var running: UInt64?
        var isCancelled = false
        var isDelivering = false
        /// What stops a statement of this connection.
        var request: CancelRequest?
    }

    private let state = Locked(State())
    /// Readable when a PQcancel has come back.
    private let delivered: Int32
    /// How long it is waited for.
    private let deliveryLimit: Duration = .seconds(5)
    private let queue = DispatchQueue(label: "berth.postgres.cancel")

    /// - Throws: `PlatformError` when no descriptor is left.
    init() throws {
        wakeup = try systemCall("eventfd") { berth_pg_eventfd() }
        do {
            delivered = try systemCall("eventfd") { berth_pg_eventfd() }
        } catch {
            _ = Glibc.close(wakeup)
            throw error
        }
    }

    deinit {
        _ = Glibc.close(wakeup)
        _ = Glibc.close(delivered)
    }

    /// Hands over what stops a statement of this connection.
    func install(_ request: CancelRequest?) {
        state.withLock { $0.request = request }
    }

    /// Begins a call.
    func begin() -> UInt64 {
        state.withLock { state in
            drain()
            state.last += 1
            state.running = state.last
            state.isCancelled = false
            return state.last
        }
    }

    /// Ends the call and says how.
    ///
    /// - Parameter isBroken: the connection is not used again, so nobody waits for PQcancel.
    func end(isBroken: Bool) -> End {
        let isCancelled = state.withLock { state in
            // No PQcancel begins from here on.
            state.running = nil
            return state.isCancelled
        }
        guard isCancelled else { return .undisturbed }
        guard !isBroken else { return .cancelled }
        let deadline = PollDeadline(after: deliveryLimit)
        while state.withLock({ $0.isDelivering }) {
            if deadline.hasPassed { return .stuck }
            var polled = pollfd(fd: delivered, events: Int16(POLLIN), revents: 0)
            _ = unsafe poll(&polled, 1, deadline.pollMilliseconds)
        }
        state.withLock { _ in
            // What nobody noticed in time must not disturb the next call.
            drain()
            Self.drain(delivered)
        }
        return .cancelled
    }

    /// Cancels the call if it still runs; called from any thread, never blocks for long.
    func cancel(_ ticket: UInt64, stopsStatement: Bool) {
        let isRunning = state.withLock { state in
            guard state.running == ticket, !state.isCancelled else { return false }
            state.isCancelled = true
            var one: UInt64 = 1
            _ = unsafe Glibc.write(wakeup, &one, 8)
            return true
        }
        guard isRunning, stopsStatement else { return }
        queue.async { self.deliver(ticket) }
    }

    /// Takes the wake-up away, so that it is noticed once.
    func drain() { Self.drain(wakeup) }

    private static func drain(_ event: Int32) {
        var count: UInt64 = 0
        _ = unsafe Glibc.read(event, &count, 8)
    }

    private func deliver(_ ticket: UInt64) {
        let request = state.withLock { state -> CancelRequest? in
            guard state.running == ticket, let request = state.request else { return nil }
            state.isDelivering = true
            return request
        }
        guard let request else { return }
        request.send()
        state.withLock { state in
            state.isDelivering = false
            var one: UInt64 = 1
            _ = unsafe Glibc.write(delivered, &one, 8)
        }
    }
}

/// A right to stop the statement that a connection runs (PQgetCancel, PQcancel).
@safe final class CancelRequest: Sendable {
    // Set once; PQcancel only reads what it points to and may be called from any thread.
    nonisolated(unsafe) private let pointer: OpaquePointer

    /// - Returns: nil when the connection is not open.
    init?(_ connection: OpaquePointer) {
        guard let pointer = unsafe PQgetCancel(connection) else { return nil }
        unsafe self.pointer = unsafe pointer
    }

    deinit {
        unsafe PQfreeCancel(pointer)
    }

    /// Asks the server; a failure shows as a statement that does not stop.
    func send() {
        defer { extendLifetime(self) }
        var message = [CChar](repeating: 0, count: 256)
        _ = unsafe PQcancel(pointer, &message, Int32(message.count))
    }
}
