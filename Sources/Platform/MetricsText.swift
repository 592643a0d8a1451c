/// The Prometheus text exposition format, version 0.0.4.
enum MetricsText {
    static func family(_ name: String, _ family: Metrics.Family) -> String {
        var text = "# HELP \(name) \(escape(family.help, quotes: false))\n"
        text += "# TYPE \(name) \(type(family.kind))\n"
        let sorted = family.series.sorted { $0.key.lexicographicallyPrecedes($1.key) }
        for (values, series) in sorted {
            let labels = zip(family.labels, values).map { "\($0)=\"\(escape($1, quotes: true))\"" }
            guard case .histogram(let bounds) = family.kind else {
                text += "\(name)\(braces(labels)) \(number(series.value))\n"
                continue
            }
            for (bound, count) in zip(bounds, series.buckets) {
                text += "\(name)_bucket\(braces(labels + ["le=\"\(number(bound))\""])) \(count)\n"
            }
            text += "\(name)_bucket\(braces(labels + ["le=\"+Inf\""])) \(series.count)\n"
            text += "\(name)_sum\(braces(labels)) \(number(series.value))\n"
            text += "\(name)_count\(braces(labels)) \(series.count)\n"
        }
        return text
    }

    private static func type(_ kind: Metrics.Kind) -> String {
        switch kind {
        case .counter: "counter"
        case .gauge: "gauge"
        case .histogram: "histogram"
        }
    }

    private static func braces(_ labels: [String]) -> String {
        labels.isEmpty ? "" : "{\(labels.joined(separator: ","))}"
    }

    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
        if let whole = Int64(exactly: value) { return String(whole) }
        return String(value)
    }

    private static func escape(_ text: String, quotes: Bool) -> String {
        text.unicodeScalars.reduce(into: "") { escaped, scalar in
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\"" where quotes: escaped += "\\\""
            default: escaped.unicodeScalars.append(scalar)
            }
        }
    }
}
