import Shared

/// Operations for people.
struct OperationText: Sendable {
    let now: Timestamp

    func table(_ operations: [OperationDescription]) -> Table {
        var table = Table(columns: [
            .identifier("OPERATION"), .text("KIND"), .text("TARGET"), .text("STATE"),
            .text("PHASE"), .number("%", droppedAt: 2), .number("RATE", droppedAt: 4),
            .number("ETA", droppedAt: 3), .number("AGE"), .number("TRY", droppedAt: 5),
        ])
        table.rows = operations.map(row)
        return table
    }

    private func row(_ operation: OperationDescription) -> [String] {
        let progress = operation.state == .running ? operation.progress : nil
        let rate = progress?.rate.flatMap { Int64(exactly: $0.rounded()) }
        return [
            operation.id.description, operation.kind.rawValue,
            HarmlessText.text(operation.scopeName ?? operation.scope), operation.state.rawValue,
            Self.phase(operation), progress.flatMap(ProgressLine.percent).map(String.init) ?? "–",
            progress?.unit == .bytes ? rate.map { Quantity.bytes($0) + "/s" } ?? "–" : "–",
            progress?.etaSeconds.map { Quantity.clock(seconds: $0) } ?? "–",
            Quantity.age(operation.createdAt, at: now), "\(operation.attempt)",
        ]
    }

    /// The phase, or why nothing is being done.
    static func phase(_ operation: OperationDescription) -> String {
        switch operation.state {
        case .running:
            guard let progress = operation.progress else {
                return HarmlessText.text(operation.phase ?? "–")
            }
            let number =
                progress.phaseCount > 1 ? "\(progress.phaseIndex)/\(progress.phaseCount) " : ""
            return number + HarmlessText.text(progress.phase)
        case .queued, .waiting:
            return operation.waiting?.reason.rawValue ?? HarmlessText.text(operation.phase ?? "–")
        case .failed: return HarmlessText.text(operation.failure?.code ?? "–")
        case .succeeded, .canceled, .expired: return "–"
        }
    }

    func details(_ operation: OperationDescription) -> String {
        var facts = Facts()
        facts.add("operation", operation.id.description)
        facts.add("what", Ending.title(of: operation))
        facts.add("state", operation.state.rawValue)
        facts.add("phase", operation.phase.map(HarmlessText.text))
        facts.add("waiting", operation.waiting.map { HarmlessText.text($0.sentence) })
        facts.add("waits since", operation.waiting?.since.map(\.description))
        facts.add("next try", operation.waiting?.nextTryAt.map(\.description))
        if operation.state == .running, let progress = operation.progress {
            let amounts = ProgressLine.amounts(progress, isMoving: true)
            facts.add(
                "progress", ([HarmlessText.text(progress.phase)] + amounts).joined(separator: "  "))
            facts.add("note", progress.message.map(HarmlessText.text))
        }
        facts.add(
            "failure", operation.failure.map { HarmlessText.text("\($0.code): \($0.message)") })
        facts.add("hint", operation.failure?.hint.map(HarmlessText.text))
        facts.add("tries", "\(operation.attempt) of \(operation.maxAttempts)")
        facts.add("by", HarmlessText.text(operation.createdBy))
        facts.add("created", "\(operation.createdAt)")
        facts.add("started", operation.startedAt.map(\.description))
        facts.add("finished", operation.finishedAt.map { "\($0)\(Ending.time(of: operation))" })
        facts.add("cancel asked", operation.cancelRequestedAt.map(\.description))
        facts.add("cancel confirmed", operation.isCancelConfirmed.map { $0 ? "yes" : "no" })
        facts.add("parent", operation.parent?.description)
        for child in operation.children ?? [] { facts.add("child", child.description) }
        for attempt in operation.attempts ?? [] {
            facts.add("lease \(attempt.attempt)", Self.lease(attempt))
        }
        // A document that was decoded can be encoded.
        facts.add("result", operation.result.flatMap { try? JSON.text($0) }.map(HarmlessText.text))
        return facts.text
    }

    private static func lease(_ attempt: OperationAttempt) -> String {
        let owner = HarmlessText.text(attempt.owner)
        let end = attempt.endedAt.map { " to \($0)" } ?? " until now"
        let how = attempt.end.map { ": " + HarmlessText.text($0) } ?? ""
        return "\(owner), epoch \(attempt.epoch), \(attempt.startedAt)\(end)\(how)"
    }
}
