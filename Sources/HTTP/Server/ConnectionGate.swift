import CMicrohttpd
import Platform

/// When the daemon may work on a connection, and when the connection rests.
///
/// A callback looks for something to do after `clear()`; when there is nothing it calls
/// `suspend()`. Whoever changes what the callback looks at calls `signal()` afterwards. A signal
/// between the two makes `suspend()` answer false, so none is lost; a suspended connection is
/// resumed exactly once.
@safe final class ConnectionGate: Sendable {
    // Sendable: see `state`.
    @safe private struct State: @unchecked Sendable {
        var connection: OpaquePointer?
        var isSuspended = false
        var isSignalled = false
        var suspensions: UInt64 = 0
    }

    // Every use of the pointer is inside the lock or between suspend and resume, when the daemon
    // keeps the connection.
    private let state: Locked<State>

    init(connection: OpaquePointer) {
        let state = unsafe State(connection: connection)
        self.state = Locked(state)
    }

    /// The request is over: the connection belongs to somebody else or is gone.
    var isOver: Bool { state.withLock { unsafe $0.connection == nil } }

    /// Forgets earlier signals; call it before looking for work.
    func clear() { state.withLock { $0.isSignalled = false } }

    /// Suspends the connection; only inside one of its callbacks.
    ///
    /// - Returns: false when there was a signal since `clear()`, or the request is over: look again.
    func suspend() -> Bool {
        state.withLock { state in
            guard let connection = unsafe state.connection, !state.isSignalled else { return false }
            state.isSuspended = true
            state.suspensions += 1
            // Inside the lock, so that no resume can come before it: libmicrohttpd 0.9.75 would
            // drop both. It takes only its own lock and calls nothing back.
            unsafe MHD_suspend_connection(connection)
            return true
        }
    }

    /// Lets the callback look again.
    func signal() {
        state.withLock { state -> ConnectionPointer? in
            guard state.isSuspended, let connection = unsafe state.connection else {
                state.isSignalled = true
                return nil
            }
            state.isSuspended = false
            return unsafe ConnectionPointer(pointer: connection)
        }?.resume()
    }

    /// The daemon is done with the request; from here on nothing is suspended or resumed.
    func close() {
        state.withLock { state in
            assert(!state.isSuspended, "a suspended request cannot complete")
            unsafe state.connection = nil
        }
    }

    /// Which rest it is in, and the connection's socket; nil when it works.
    var rest: (number: UInt64, socket: Int32)? {
        state.withLock { state in
            guard state.isSuspended, let connection = unsafe state.connection else { return nil }
            return (state.suspensions, unsafe berth_mhd_socket(connection))
        }
    }
}

/// A suspended connection on its way to being resumed.
@safe private struct ConnectionPointer: @unchecked Sendable {
    // Sendable: MHD_resume_connection may be called from any thread.
    let pointer: OpaquePointer

    func resume() { unsafe MHD_resume_connection(pointer) }
}
