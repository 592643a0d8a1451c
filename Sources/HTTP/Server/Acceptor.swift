import Dispatch
import Glibc
import Platform

/// Takes connections from the listening socket for as long as there is room for them.
///
/// The daemon could listen by itself, but it cannot stop: MHD_quiesce_daemon of 0.9.75 races with
/// the daemon's threads and ends the process.
final class Acceptor: Sendable {
    private let listener: Listener
    private let daemon: Daemon
    private let core: ServerCore
    private let queue = DispatchQueue(label: "http.accept")
    private let state: Locked<State>

    // Sendable: a source is made for one queue and used on it, and its methods are thread-safe.
    private struct State: @unchecked Sendable {
        // Nil once it is closed. Used on `queue` only.
        var source: (any DispatchSourceRead)?
        var isResting = false
    }

    /// Begins at once.
    init(listener: Listener, daemon: Daemon, core: ServerCore) {
        self.listener = listener
        self.daemon = daemon
        self.core = core
        let source = DispatchSource.makeReadSource(
            fileDescriptor: listener.number, queue: queue)
        state = Locked(State(source: source))
        source.setEventHandler { @Sendable [weak self] in self?.accept() }
        source.activate()
    }

    /// Stops listening: from here on clients are refused, connections go on.
    func close() async {
        await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
            queue.async {
                self.state.withLock { state in
                    guard let source = state.source else { return }
                    // A source must not be released while it is suspended.
                    if state.isResting { source.resume() }
                    source.cancel()
                    state.source = nil
                }
                self.listener.close()
                done.resume()
            }
        }
    }

    private func accept() {
        while state.withLock({ $0.source != nil && !$0.isResting }) {
            guard core.admit(whenPossible: { [weak self] in self?.wake() }) else {
                rest()
                return
            }
            let answer = daemon.accept(from: listener.number)
            if answer == 1 { continue }
            core.dismiss()
            switch -answer {
            case 0, EINTR, ECONNABORTED: continue
            case EAGAIN: return
            default:
                // Out of descriptors or memory: others must go first.
                core.options.complaint("cannot accept a connection: \(describe(errno: -answer))")
                rest()
                queue.asyncAfter(deadline: .now() + .milliseconds(100)) { [weak self] in
                    self?.goOn()
                }
                return
            }
        }
    }

    private func rest() {
        state.withLock { state in
            guard !state.isResting else { return }
            state.isResting = true
            state.source?.suspend()
        }
    }

    private func wake() { queue.async { [weak self] in self?.goOn() } }

    private func goOn() {
        state.withLock { state in
            guard state.isResting else { return }
            state.isResting = false
            state.source?.resume()
        }
    }
}
