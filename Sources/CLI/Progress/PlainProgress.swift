import Shared

/// Progress where no terminal is: a line for each change of phase or state, and every 10 seconds.
struct PlainProgress: Sendable {
    private var shownAt: Duration?
    private var shownPhase = ""

    static let interval = Duration.seconds(10)

    /// The next line, nil when there is nothing new to tell.
    ///
    /// - Parameters:
    ///   - time: the wall clock, for the line.
    ///   - now: time since the start, for the interval.
    mutating func line(_ view: ProgressView, time: Timestamp, at now: Duration) -> String? {
        let obstacle = view.obstacle(at: now)
        // Sentences with a clock in them change all the time; their kind does not.
        let kind = obstacle.map { String($0.prefix { $0 != " " }) } ?? ""
        let phase = view.phase + kind
        if let shownAt, phase == shownPhase, now - shownAt < Self.interval { return nil }
        (shownAt, shownPhase) = (now, phase)
        var parts = ["\(time)", view.operation.id.description, view.phase]
        if let progress = view.progress, !view.isParked {
            if progress.phaseCount > 1 {
                parts.append("\(progress.phaseIndex)/\(progress.phaseCount)")
            }
            parts += amounts(progress)
        }
        if let obstacle { parts.append(obstacle) }
        return parts.joined(separator: " ")
    }

    private func amounts(_ progress: Progress) -> [String] {
        var parts: [String] = []
        if let percent = ProgressLine.percent(progress) { parts.append("\(percent)%") }
        if progress.done > 0 || progress.total != nil {
            let total = progress.total.map { "/\($0)" } ?? ""
            parts.append("\(progress.done)\(total) \(progress.unit.rawValue)")
        }
        if let rate = progress.rate { parts.append("rate=\(Quantity.decimal(rate))/s") }
        if let eta = progress.etaSeconds, let whole = Int64(exactly: eta.rounded()) {
            parts.append("eta=\(whole)s")
        }
        if let message = progress.message { parts.append(HarmlessText.text(message)) }
        return parts
    }
}
