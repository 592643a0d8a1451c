import Platform
import Shared

/// What is on its way at the hub, for the last words after Ctrl-C.
final class InFlight: Sendable {
    private struct State {
        var isSending = false
        var operations: Set<OperationID> = []
    }

    private let state = Locked(State())

    /// A request that changes something is being sent.
    func begin() { state.withLock { $0.isSending = true } }

    /// Its answer has come, or it has failed.
    func end() { state.withLock { $0.isSending = false } }

    /// An operation is being waited for.
    func watch(_ operation: OperationID) {
        state.withLock { _ = $0.operations.insert(operation) }
    }

    /// It is not waited for any more.
    func unwatch(_ operation: OperationID) {
        state.withLock { _ = $0.operations.remove(operation) }
    }

    /// What to say to somebody who leaves now.
    var lastWords: String? {
        let state = state.withLock { $0 }
        if state.operations.count > 1 {
            return "Detached. \(state.operations.count) operations keep running. "
                + "See them: berth operation list"
        }
        if let operation = state.operations.first {
            return "Detached. \(operation) keeps running. "
                + "Stop it: berth operation cancel \(operation)"
        }
        guard state.isSending else { return nil }
        return "Interrupted while asking the hub; it may have started. "
            + "Look: berth operation list"
    }
}
