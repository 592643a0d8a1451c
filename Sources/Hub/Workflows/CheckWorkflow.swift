import Shared

/// Checks a project's repository: its structure, then its packs in pieces, each of which is
/// remembered, so that a check goes on where a killed hub left it.
struct CheckWorkflow: ChoreSteps {
    enum Phase: String, Codable {
        case structure
        case read
    }

    var phase = Phase.structure
    var isCanceling = false
    private let order: CheckRequest
    private var since: Timestamp?
    private var result = CheckResult()

    /// So much is read in one chore.
    private static let pieceBytes: Int64 = 512 << 20
    /// One part in so many is a sample.
    private static let sampleShare: Int64 = 20

    init(_ order: CheckRequest) {
        self.order = order
    }

    var phaseName: String { phase.rawValue }
    var isCommitted: Bool { false }

    var chore: RepositoryChore? {
        guard let since else { return .checkStructure }
        let share = order.reading == .sample ? result.bytes / Self.sampleShare : Self.pieceBytes
        return .checkPacks(since: since, limitBytes: share)
    }

    mutating func proceed(_ facts: WorkflowFacts) -> [WorkflowAction] {
        [.wait(.ready, "the repository is worked on", afterMilliseconds: 0)]
    }

    mutating func done(_ outcome: ChoreOutcome, _ facts: WorkflowFacts) -> [WorkflowAction] {
        guard case .checked(let found, let packsLeft, _) = outcome else { return mistaken }
        result.findings += found.findings.prefix(
            CheckResult.findingsLimit - result.findings.count)
        result.findingCount += found.findingCount
        switch phase {
        case .structure:
            (result.packs, result.bytes, result.blobs) = (found.packs, found.bytes, found.blobs)
            (result.snapshots, result.orphans) = (found.snapshots, found.orphans)
            guard order.reading != .none else { return end() }
            phase = .read
            // A sample takes those first that were read longest ago; a full check all of them.
            since = facts.now
        case .read:
            result.packsRead += found.packsRead
            result.bytesRead += found.bytesRead
            guard packsLeft > 0, order.reading == .all else { return end() }
        }
        return proceed(facts)
    }

    private func end() -> [WorkflowAction] {
        let record = WorkflowAction.recordCheck(order.reading, result)
        guard result.findingCount == 0 else {
            let shown = result.findings.prefix(5).joined(separator: "; ")
            return [
                record,
                .fail(
                    Failure(
                        code: "repository-damaged",
                        message: "\(result.findingCount) things are wrong: \(shown)",
                        hint: "make a backup of the project as long as its volume is there")),
            ]
        }
        do {
            return [record, .succeed(try JSON.value(result))]
        } catch {
            return [.fail(Failure(code: "bad-result", message: "\(error)"))]
        }
    }
}
