import Glibc

/// A value behind a pthread mutex, for short critical sections of synchronous code.
///
/// `Synchronization.Mutex` gives false ThreadSanitizer races under contention on Linux; this does
/// not. Never hold it across an `await` (the closure is synchronous, so it cannot be).
@safe public final class Locked<Value>: @unchecked Sendable {
    // Sendable is proved by the mutex: `value` is read and written only between lock and unlock.
    private var value: Value
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>

    /// Wraps `value`; from here on only `withLock` reaches it.
    public init(_ value: sending Value) {
        self.value = value
        unsafe mutex = .allocate(capacity: 1)
        unsafe mutex.initialize(to: pthread_mutex_t())
        unsafe pthread_mutex_init(mutex, nil)
    }

    deinit {
        unsafe pthread_mutex_destroy(mutex)
        unsafe mutex.deallocate()
    }

    /// Runs `body` with the value, alone.
    public func withLock<Result, Failure: Error>(
        _ body: (inout Value) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        return try body(&value)
    }
}
