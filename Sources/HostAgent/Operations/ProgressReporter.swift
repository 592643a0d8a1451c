import Platform
import Shared

/// What an operation says of how far it is.
///
/// The heartbeat takes the latest, so that saying it never blocks and losing it never hurts.
final class ProgressReporter: Sendable {
    private struct State {
        var latest: Progress?
        var isNew = false
        var meter: RateMeter?
        var phaseIndex = 0
    }

    private let state = Locked(State())
    private let phaseCount: Int

    /// - Parameter phaseCount: how many phases the operation has.
    init(phaseCount: Int) {
        self.phaseCount = phaseCount
    }

    /// Replaces what was said before.
    func report(
        _ phase: String, _ index: Int, done: Int64 = 0, total: Int64? = nil,
        unit: Progress.Unit = .steps, message: String? = nil
    ) {
        let now = ContinuousClock.now
        state.withLock { state -> Void in
            if state.phaseIndex != index {
                state.phaseIndex = index
                state.meter = RateMeter(startedAt: now)
            }
            state.meter?.advance(to: done, at: now)
            state.isNew = true
            state.latest = Progress(
                time: .now(), phase: phase, phaseIndex: index, phaseCount: phaseCount,
                done: done, total: total, unit: unit, rate: state.meter?.rate,
                etaSeconds: state.meter?.remainingSeconds(total: total, at: now),
                message: message)
        }
    }

    /// Whether something was said since it was taken last.
    var isNew: Bool { state.withLock { $0.isNew } }

    /// The latest, to be told; nil before the first.
    func taken() -> Progress? {
        state.withLock { state in
            state.isNew = false
            return state.latest
        }
    }
}
