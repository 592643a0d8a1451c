import Shared

/// Backs a project up.
struct BackupWorkflow: SequentialSteps, Hashable {
    enum Phase: String, Codable {
        case backup
    }

    var phase = Phase.backup
    var awaiting: String?
    var isCanceling = false
    var isCommitted: Bool { false }
    private let order: BackupOrder

    init(_ order: BackupOrder) {
        self.order = order
    }

    mutating func proceed(_ facts: WorkflowFacts) -> [WorkflowAction] {
        if isCanceling { return stop(facts) }
        guard facts.project.isProvisioned == true else { return [.fail(facts.project.noVolume)] }
        return backup("backup", facts, tags: order.tags, isAudit: order.isAudit)
    }

    mutating func succeeded(
        _ key: String, _ outcome: ChildOutcome, _ facts: WorkflowFacts
    ) -> [WorkflowAction] {
        guard case .succeeded(let value) = outcome,
            outcome.result(VolumeBackupResult.self) != nil
        else { return [.fail(ChildOutcome.badResult)] }
        return [.succeed(value)]
    }

    mutating func failed(
        _ key: String, _ failure: Failure, _ facts: WorkflowFacts
    ) -> [WorkflowAction] {
        isCanceling ? stop(facts) : [.fail(failure)]
    }

    mutating func stop(_ facts: WorkflowFacts) -> [WorkflowAction] { [.cancel] }
}

extension SequentialSteps {
    /// Runs a backup of the project, with the backup pinned that it may build on: the one behind the
    /// volume's base, or the newest where the host has none.
    mutating func backup(
        _ key: String, _ facts: WorkflowFacts, isFinal: Bool = false, tags: [String] = [],
        isAudit: Bool? = nil
    ) -> [WorkflowAction] {
        let base = facts.project.base
        return (base.map { [.pin($0, .backup)] } ?? [])
            + run(
                key, on: facts.project.host.id, facts,
                .backup(
                    VolumeBackupInput(
                        volume: facts.project.volume(), backup: facts.freshBackup, base: base,
                        isFinal: isFinal, tags: tags, isAudit: isAudit)))
    }
}
