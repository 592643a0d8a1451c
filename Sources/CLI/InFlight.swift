import Platform
import Shared

/// What is on its way at the hub, for the last words after Ctrl-C.
final class InFlight: Sendable {
    private struct State {
        var isSending = false
        var operation: OperationID?
    }

    private let state = Locked(State())

    /// A request that changes something is being sent.
    func begin() { state.withLock { $0.isSending = true } }

    /// Its answer has come, or it has failed.
    func end() { state.withLock { $0.isSending = false } }

    /// An operation is being waited for, or none any more.
    func watch(_ operation: OperationID?) { state.withLock { $0.operation = operation } }

    /// What to say to somebody who leaves now.
    var lastWords: String? {
        let state = state.withLock { $0 }
        if let operation = state.operation {
            return "Detached. \(operation) keeps running. "
                + "Stop it: berth operation cancel \(operation)"
        }
        guard state.isSending else { return nil }
        return "Interrupted while asking the hub; it may have started. "
            + "Look: berth operation list"
    }
}
