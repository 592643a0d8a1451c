import Platform
import Shared

/// The session that this run of the agent has with the hub.
final class SessionState: Sendable {
    /// Random, new with every run.
    let id: SessionID
    /// Rings when the session must be opened again.
    let reopen = Bell()
    private let state: Locked<OpenSessionAnswer>

    init(id: SessionID, answer: OpenSessionAnswer) {
        self.id = id
        state = Locked(answer)
    }

    /// The hub's terms.
    var terms: OpenSessionAnswer {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }

    /// How long a lease lasts.
    var lease: Duration { .milliseconds(terms.leaseMilliseconds) }

    /// How often to send a heartbeat, at most every 100 ms.
    var interval: Duration { .milliseconds(max(100, terms.heartbeatMilliseconds)) }
}
