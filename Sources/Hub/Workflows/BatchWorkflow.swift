import Shared

/// Does the same with many projects, so many at once; one that fails hides no other.
struct BatchWorkflow: GroupSteps {
    enum Phase: String, Codable {
        case work
    }

    var phase = Phase.work
    var isCanceling = false
    private let order: BatchOrder

    init(_ order: BatchOrder) {
        self.order = order
    }

    var phaseName: String { phase.rawValue }

    mutating func decide(_ facts: GroupFacts) -> [GroupAction] {
        isCanceling = isCanceling || facts.isCancelRequested
        let ended = facts.atWork.compactMap(settle)
        if !ended.isEmpty { return ended }
        if isCanceling { return facts.stop() }
        let free = facts.free(of: order.maxParallel)
        let begun = facts.due.prefix(free).map { GroupAction.begin($0, order.work) }
        if !begun.isEmpty { return begun }
        guard facts.counts.total == facts.counts.ended else {
            return [.wait(facts.sentence, afterMilliseconds: facts.pause)]
        }
        let counts = facts.counts
        guard counts.failed > 0 else { return [.succeed(GroupResult(counts: counts))] }
        return [
            .fail(
                Failure(
                    code: "batch-incomplete",
                    message: "\(counts.failed) of \(counts.total) projects were given up, "
                        + "\(counts.done) done, \(counts.skipped) skipped",
                    hint: "see berth operation items, with --state failed"))
        ]
    }

    private func settle(_ item: GroupItem) -> GroupAction? {
        guard let outcome = item.outcome else { return nil }
        switch outcome {
        case .succeeded: return .settle(item.project, .done)
        case .canceled:
            return .settle(
                item.project, .failed("canceled", "its operation \(item.operation) was canceled"))
        case .failed(let failure) where failure.code == BackupDetection.auditMismatch:
            // Everything is backed up by then: another try would find nothing, and hide it.
            return .settle(item.project, .failed(failure.code, failure.message))
        case .failed(let failure):
            return .settle(item.project, .failed(failure, tries: item.tries, of: order.tries))
        case .expired:
            return .settle(item.project, .failed("expired", "its operation expired"))
        }
    }

    func refused(_ item: GroupCandidate, _ problem: Problem) -> GroupVerdict {
        switch problem.code {
        case "project-busy":
            .blocked(problem.code, problem.detail, afterMilliseconds: 5000)
        case "no-volume", "no-backup", "project-not-found":
            .skipped(problem.code, problem.detail)
        default:
            .failed(problem.code, problem.detail)
        }
    }
}

/// Input of `batch`.
struct BatchOrder: Sendable, Codable, Hashable {
    var verb: BatchVerb
    /// Of `check`.
    var check: CheckRequest?
    /// Of `forget`.
    var policy: RetentionPolicy?
    /// How many projects are at work at once.
    var maxParallel: Int
    /// How often each is tried.
    var tries: Int

    var work: GroupWork {
        switch verb {
        case .start: .start
        case .stop: .stop
        case .backup: .backup
        case .audit: .audit
        case .check: .check(check ?? CheckRequest(reading: .none))
        case .forget: .forget(ForgetOrder(policy: policy))
        case .prune: .prune
        }
    }
}
