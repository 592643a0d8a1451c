import Shared

/// Which reports of a batch are applied (D8): pure.
enum ReportOrder {
    /// The reports behind `applied` that follow each other without a gap, whatever the order in
    /// which they came.
    static func due(_ reports: [Report], after applied: Int64) -> [Report] {
        var due: [Report] = []
        var next = applied + 1
        for report in reports.sorted(by: { $0.sequence < $1.sequence }) {
            if report.sequence < next { continue }
            guard report.sequence == next else { break }
            due.append(report)
            next += 1
        }
        return due
    }
}
