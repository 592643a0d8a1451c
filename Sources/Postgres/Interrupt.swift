import CPostgres
import Dispatch
import Glibc
import Platform

/// How a cancelled task reaches the thread that waits for the server on its behalf.
///
/// A call takes a ticket when it begins. Cancelling marks the ticket, wakes the poll(2) through an
/// event descriptor and, for a statement, asks the server to stop it (PQcancel) on a queue of its
/// own, because that connects. A cancelled call ends only after its PQcancel has been delivered,
/// so that it can never hit the connection's next statement.
@safe final class Interrupt: Sendable {
    /// Readable while a cancellation waits to be noticed.
    let wakeup: Int32

    private struct State {
        var last: UInt64 = 0
        var running: UInt64?
        var isCancelled = false
        var isDelivering = false
    }

    private let state = Locked(State())
    /// Held while PQcancel runs.
    private let delivery: Locked<CancelRequest?>
    private let queue = DispatchQueue(label: "berth.postgres.cancel")

    /// - Throws: `PlatformError` when no descriptor is left.
    init() throws {
        wakeup = try systemCall("eventfd") { berth_pg_eventfd() }
        delivery = Locked(nil)
    }

    deinit {
        _ = Glibc.close(wakeup)
    }

    /// Hands over what stops a statement of this connection.
    func install(_ request: CancelRequest?) {
        delivery.withLock { $0 = request }
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

    /// Ends the call and says whether it was cancelled.
    ///
    /// - Parameter isBroken: the connection is not used again, so nobody waits for PQcancel.
    func end(isBroken: Bool) -> Bool {
        let isCancelled = state.withLock { state in
            if !state.isCancelled || isBroken { state.running = nil }
            return state.isCancelled
        }
        guard isCancelled, !isBroken else { return isCancelled }
        delivery.withLock { _ in
            state.withLock { state in
                state.running = nil
                // What nobody noticed in time must not disturb the next call.
                drain()
            }
        }
        return true
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
    func drain() {
        var count: UInt64 = 0
        _ = unsafe Glibc.read(wakeup, &count, 8)
    }

    private func deliver(_ ticket: UInt64) {
        delivery.withLock { request in
            guard state.withLock({ $0.running == ticket }) else { return }
            request?.send()
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
