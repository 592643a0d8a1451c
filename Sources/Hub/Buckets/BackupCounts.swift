import Platform
import Shared

/// Counts acknowledged backups by how their changes were found, and why not by the cheapest way.
struct BackupCounts: Sendable {
    private static let reasonLimit = 40

    private let backups: Metric

    init(_ metrics: Metrics) {
        backups = metrics.register(
            "berth_backups_total", .counter,
            help: "Acknowledged backups, by how changes were found and why so.",
            labels: ["method", "reason"])
    }

    func count(_ detection: BackupDetection?) {
        guard let detection else { return }
        backups.add(1, detection.method.rawValue, Self.word(detection.reason))
    }

    /// A reason as hosts give them, lower case words with hyphens; anything else is `other`.
    static func word(_ reason: String?) -> String {
        let reason = reason ?? ""
        let isWord =
            reason.utf8.count <= reasonLimit
            && reason.utf8.allSatisfy { (0x61...0x7a).contains($0) || $0 == 0x2d }
        return isWord ? reason : "other"
    }
}
