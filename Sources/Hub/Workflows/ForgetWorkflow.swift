import Shared

/// Forgets backups of a project: first in the registry, so that nothing begins to need them, then
/// their snapshot files.
///
/// What only they held goes with the next prune.
struct ForgetWorkflow: ChoreSteps {
    enum Phase: String, Codable {
        case decide
        case remove
    }

    var phase = Phase.decide
    var isCanceling = false
    private let order: ForgetOrder
    private var forgotten: [BackupReference] = []
    private var result = ForgetResult(forgotten: [], kept: 0, pinned: [])

    init(_ order: ForgetOrder) {
        self.order = order
    }

    var phaseName: String { phase.rawValue }
    var isCommitted: Bool { phase == .remove }

    var chore: RepositoryChore? {
        phase == .remove ? .removeSnapshots(forgotten.map(\.snapshot)) : nil
    }

    mutating func proceed(_ facts: WorkflowFacts) -> [WorkflowAction] {
        let chosen = order.chosen(from: facts.backups, now: facts.now)
        let (going, pinned) = (
            chosen.filter { $0.pins.isEmpty }, chosen.filter { !$0.pins.isEmpty }
        )
        forgotten = going.map(\.reference)
        result.forgotten = going.map(\.id)
        result.pinned = pinned.map(\.id)
        result.kept = facts.backups.count - going.count
        phase = .remove
        guard !going.isEmpty else { return end() }
        return going.map { .forget($0.reference) } + [
            .wait(.ready, "the repository is worked on", afterMilliseconds: 0)
        ]
    }

    mutating func done(_ outcome: ChoreOutcome, _ facts: WorkflowFacts) -> [WorkflowAction] {
        guard case .snapshotsRemoved = outcome else { return mistaken }
        return end()
    }

    private func end() -> [WorkflowAction] {
        do {
            return [.succeed(try JSON.value(result))]
        } catch {
            return [.fail(Failure(code: "bad-result", message: "\(error)"))]
        }
    }
}

/// Input of `forget`.
struct ForgetOrder: Sendable, Codable, Hashable {
    var policy: RetentionPolicy?
    var backups: [BackupID] = []

    /// What goes if nothing pins it: what was named, and what the policy does not keep.
    func chosen(from backups: [BackupDescription], now: Timestamp) -> [BackupDescription] {
        let going = Set(
            decisions(about: backups, now: now).filter { !$0.isKept }.map(\.backup))
        return backups.filter { going.contains($0.id) || self.backups.contains($0.id) }
    }

    /// What becomes of every backup.
    func decisions(about backups: [BackupDescription], now: Timestamp) -> [RetentionDecision] {
        let retained = backups.map {
            RetainedBackup(
                id: $0.id, takenAt: $0.takenAt, storedBytes: $0.storedBytes, tags: $0.tags,
                pins: $0.pins)
        }
        var all = RetentionPolicy()
        all.last = RetentionPolicy.limit
        var decisions = (policy ?? all).decide(retained, now: now)
        for index in decisions.indices {
            let isNamed = self.backups.contains(decisions[index].backup)
            guard policy == nil || isNamed else { continue }
            let pins = retained.first { $0.id == decisions[index].backup }?.pins ?? []
            decisions[index].isKept = !isNamed || !pins.isEmpty
            decisions[index].reasons = isNamed ? pins.map { "pinned: \($0)" } : []
        }
        return decisions
    }
}
