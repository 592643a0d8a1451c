import Shared

/// The line at the bottom of a terminal while an operation runs.
enum ProgressLine {
    /// ` ▸ [4/6] restore  ███████░░░  62%  25.4/41.0 GiB  84.0 MiB/s  ETA 3:11  src/run7.parquet`,
    /// at most `width` columns: what matters least goes first.
    static func text(_ view: ProgressView, width: Int, at now: Duration) -> String {
        let obstacle = view.obstacle(at: now)
        var head = " ▸ "
        if let progress = view.progress, !view.isParked, progress.phaseCount > 1 {
            head += "[\(progress.phaseIndex)/\(progress.phaseCount)] "
        }
        head += view.phase
        var parts: [String] = []
        var bar: String?
        if let progress = view.progress, !view.isParked {
            parts = amounts(progress, isMoving: obstacle == nil)
            bar = percent(progress).map { Self.bar(percent: $0, cells: 18) }
        }
        if let obstacle { parts.append(obstacle) }
        let message = view.progress?.message.map(HarmlessText.text)
        let candidates = [
            [head, bar].compactMap(\.self) + parts + [message].compactMap(\.self),
            [head, bar].compactMap(\.self) + parts,
            [head] + parts,
        ]
        let lines = candidates.map { $0.joined(separator: "  ") }
        if let line = lines.first(where: { $0.count < width }) { return line }
        if let full = lines.first, let second = lines.dropFirst().first, second.count + 12 < width {
            return cut(full, to: width - 1)
        }
        return cut(lines[2], to: width - 1)
    }

    /// Done, total, rate and the time that is left.
    static func amounts(_ progress: Progress, isMoving: Bool) -> [String] {
        var parts: [String] = []
        if let percent = percent(progress) { parts.append("\(percent)%") }
        switch progress.unit {
        case .bytes:
            let total = progress.total.map { "/" + Quantity.bytes($0) } ?? ""
            if progress.done > 0 || progress.total != nil {
                parts.append(Quantity.bytes(progress.done) + total)
            }
            if isMoving, let rate = progress.rate, rate >= 1,
                let whole = Int64(exactly: rate.rounded())
            {
                parts.append(Quantity.bytes(whole) + "/s")
            }
        case .files, .steps:
            let total = progress.total.map { "/" + Quantity.count($0) } ?? ""
            if progress.unit == .files || (progress.total ?? 0) > 1 {
                parts.append(Quantity.count(progress.done) + total + " \(progress.unit.rawValue)")
            }
            if isMoving, let rate = progress.rate, rate > 0 {
                parts.append(Quantity.decimal(rate) + "/s")
            }
        }
        if isMoving, let eta = progress.etaSeconds {
            parts.append("ETA " + Quantity.clock(seconds: eta))
        }
        return parts
    }

    /// Whole percent of the phase, 100 only when all is done; nil while the total is unknown.
    static func percent(_ progress: Progress) -> Int? {
        guard let total = progress.total, total > 0, progress.done >= 0 else { return nil }
        if progress.done >= total { return 100 }
        return min(99, Int(Double(progress.done) / Double(total) * 100))
    }

    private static func bar(percent: Int, cells: Int) -> String {
        let full = percent * cells / 100
        return String(repeating: "█", count: full) + String(repeating: "░", count: cells - full)
    }

    private static func cut(_ line: String, to width: Int) -> String {
        line.count <= width ? line : String(line.prefix(max(1, width - 1))) + "…"
    }
}
