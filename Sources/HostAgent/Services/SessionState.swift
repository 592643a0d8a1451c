import Platform
import Shared

/// The session that this run of the agent has with the hub.
final class SessionState: Sendable {
    /// Rings when the session must be opened again.
    let reopen = Bell()
    private let identity: Locked<SessionID>
    private let state: Locked<OpenSessionAnswer>
    private let head: Locked<LogHead?>

    init(id: SessionID, answer: OpenSessionAnswer) {
        head = Locked(answer.logHead)
        identity = Locked(id)
        state = Locked(answer)
    }

    /// Random, new with every run, and when the hub has ended it.
    var id: SessionID { identity.withLock { $0 } }

    /// Goes on as another session: one that has ended is never opened again.
    func renew() { identity.withLock { $0 = .make() } }

    /// The hub's terms.
    var terms: OpenSessionAnswer {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }

    /// The newest entry of the hub's log that was told here.
    var logHead: LogHead? { head.withLock { $0 } }

    /// Takes what the hub tells of its log; an answer that comes late takes nothing back.
    func learn(_ told: LogHead?) {
        guard let told else { return }
        head.withLock { head in
            if let head, head.history == told.history, head.sequence > told.sequence { return }
            head = told
        }
    }

    /// How long a lease lasts.
    var lease: Duration { .milliseconds(terms.leaseMilliseconds) }

    /// How often to send a heartbeat, at most every 100 ms.
    var interval: Duration { .milliseconds(max(100, terms.heartbeatMilliseconds)) }
}
