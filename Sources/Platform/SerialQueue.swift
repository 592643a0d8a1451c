import Dispatch

/// The executor of an actor that calls blocking C: its jobs run one after another on a queue of
/// their own, never on the cooperative pool, which is only as wide as the machine has cores.
///
/// ```swift
/// actor Connection {
///     private let queue = SerialQueue(label: "berth.postgres")
///     nonisolated var unownedExecutor: UnownedSerialExecutor { queue.asUnownedSerialExecutor() }
/// }
/// ```
public final class SerialQueue: SerialExecutor {
    private let queue: DispatchQueue

    /// - Parameter label: what the queue's thread is called in a debugger.
    public init(label: String) {
        queue = DispatchQueue(label: label)
    }

    /// Runs a job after those that came before (SerialExecutor).
    public func enqueue(_ job: consuming ExecutorJob) {
        let unowned = UnownedJob(job)
        let executor = unsafe asUnownedSerialExecutor()
        queue.async { unsafe unowned.runSynchronously(on: executor) }
    }

    /// The reference that an actor answers with.
    public func asUnownedSerialExecutor() -> UnownedSerialExecutor {
        unsafe UnownedSerialExecutor(ordinary: self)
    }
}
