/// One registered metric; counting is cheap and never fails.
public struct Metric: Sendable {
    let name: String
    let registry: Metrics

    /// Adds to a counter or a gauge.
    ///
    /// - Parameters:
    ///   - amount: how much, default 1; for a counter not negative.
    ///   - labels: the label values, in the order of registration.
    public func add(_ amount: Double = 1, _ labels: String...) {
        registry.change(name, labels) { series, kind in
            precondition(kind == .gauge || amount >= 0, "a counter only rises")
            series.value += amount
        }
    }

    /// Sets a gauge.
    ///
    /// - Parameters:
    ///   - value: the new value.
    ///   - labels: the label values, in the order of registration.
    public func set(_ value: Double, _ labels: String...) {
        registry.change(name, labels) { series, _ in series.value = value }
    }

    /// Counts an observation of a histogram.
    ///
    /// - Parameters:
    ///   - value: what was observed, in the metric's unit.
    ///   - labels: the label values, in the order of registration.
    public func observe(_ value: Double, _ labels: String...) {
        count(value, labels)
    }

    /// Counts an observed length of time in seconds.
    ///
    /// - Parameters:
    ///   - duration: what was observed.
    ///   - labels: the label values, in the order of registration.
    public func observe(_ duration: Duration, _ labels: String...) {
        count(duration / .seconds(1), labels)
    }

    private func count(_ value: Double, _ labels: [String]) {
        registry.change(name, labels) { series, kind in
            guard case .histogram(let bounds) = kind else { return }
            series.value += value
            series.count += 1
            for (index, bound) in bounds.enumerated() where value <= bound {
                series.buckets[index] += 1
            }
        }
    }
}
