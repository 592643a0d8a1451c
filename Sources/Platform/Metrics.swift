/// The program's counters, gauges and histograms, and their text form for Prometheus.
///
/// A name is registered once with its kind, help and label names; each combination of label values
/// is a series of its own. Identifiers of projects, hosts or operations are no labels.
public final class Metrics: Sendable {
    /// What a metric counts.
    public enum Kind: Sendable, Equatable {
        /// Only rises; its name ends in `_total`.
        case counter
        /// Goes up and down.
        case gauge
        /// Counts observations at or below each bound; bounds rise, and +Inf is implied.
        case histogram(bounds: [Double])
    }

    struct Series {
        var value = 0.0
        var count: UInt64 = 0
        var buckets: [UInt64] = []
    }

    struct Family {
        let kind: Kind
        let help: String
        let labels: [String]
        var series: [[String]: Series] = [:]
    }

    /// A metric has at most this many series; further label values are not counted.
    public static let seriesLimit = 1000

    private let families = Locked<[String: Family]>([:])

    /// An empty registry; one per process.
    public init() {}

    /// Makes a metric known; registering the same again changes nothing.
    ///
    /// - Parameters:
    ///   - name: `berth_<thing>_<unit>`, for counters with `_total`.
    ///   - kind: what it counts.
    ///   - help: one sentence.
    ///   - labels: the names of its labels.
    /// - Returns: the metric, to be counted with.
    public func register(
        _ name: String, _ kind: Kind, help: String, labels: [String] = []
    ) -> Metric {
        families.withLock { families in
            precondition(Self.isName(name) && labels.allSatisfy(Self.isName), "metric \(name)")
            if let known = families[name] {
                precondition(known.kind == kind && known.labels == labels, "metric \(name)")
            } else {
                families[name] = Family(kind: kind, help: help, labels: labels)
                if labels.isEmpty { families[name]?.series[[]] = Self.empty(kind) }
            }
        }
        return Metric(name: name, registry: self)
    }

    func change(_ name: String, _ labels: [String], _ body: (inout Series, Kind) -> Void) {
        families.withLock { families in
            guard var family = families.removeValue(forKey: name) else { return }
            defer { families[name] = family }
            precondition(labels.count == family.labels.count, "labels of \(name)")
            guard family.series[labels] != nil || family.series.count < Self.seriesLimit else {
                return
            }
            body(&family.series[labels, default: Self.empty(family.kind)], family.kind)
        }
    }

    /// All metrics, sorted by name, in the Prometheus text format 0.0.4.
    public func text() -> String {
        families.withLock { families in
            families.sorted { $0.key < $1.key }
                .map { MetricsText.family($0.key, $0.value) }.joined()
        }
    }

    private static func empty(_ kind: Kind) -> Series {
        guard case .histogram(let bounds) = kind else { return Series() }
        return Series(buckets: [UInt64](repeating: 0, count: bounds.count))
    }

    private static func isName(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.first.map { !(0x30...0x39).contains($0) } == true
            && name.utf8.allSatisfy {
                (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5f
            }
    }
}
