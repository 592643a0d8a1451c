import Platform
import Shared

/// Counts restores that have reported their receipt by what they were built on, and why not on what
/// the host had.
struct RestoreCounts: Sendable {
    private let restores: Metric

    init(_ metrics: Metrics) {
        restores = metrics.register(
            "berth_restores_total", .counter,
            help: "Restores with a receipt, by what they were built on and why so.",
            labels: ["origin", "reason"])
    }

    /// Counts a report that is a restore's receipt; every other is none of its business.
    func count(_ report: Report) {
        guard case .operationFinished(let outcome) = report.content,
            outcome.state == .succeeded, let result = outcome.result,
            let origin = result["origin"]?.text.flatMap({ RestoreOrigin(rawValue: $0) })
        else { return }
        restores.add(1, origin.rawValue, BackupCounts.word(result["reason"]?.text))
    }
}
