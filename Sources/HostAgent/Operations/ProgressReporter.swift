import Platform
import Shared

/// What an operation says of how far it is; the heartbeat takes the latest, so that saying it never
/// blocks and losing it never hurts.
final class ProgressReporter: Sendable {
    private let latest = Locked(Progress?.none)
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
        let progress = Progress(
            time: .now(), phase: phase, phaseIndex: index, phaseCount: phaseCount, done: done,
            total: total, unit: unit, message: message)
        latest.withLock { $0 = progress }
    }

    /// The latest, nil before the first.
    var current: Progress? { latest.withLock { $0 } }
}
