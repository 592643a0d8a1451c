import Repository
import Shared

/// Removes what no backup of a project needs from its repository, while backups and restores go on.
///
/// Marks; waits for all who worked on the repository then; takes the marked packs out of the index;
/// waits again; deletes them. See `Prune` for why that is safe.
struct PruneWorkflow: ChoreSteps {
    enum Phase: String, Codable {
        case plan
        case writers
        case compact
        case readers
        case sweep
    }

    var phase = Phase.plan
    var isCanceling = false
    private var plan = PrunePlan()
    private var result = PruneResult()
    /// Who worked on the repository when the last step was done.
    private var earlier: Set<OperationID> = []
    private var notBefore: Timestamp?

    /// How long a look into a backup by the hub itself may take, which is no operation.
    private static let graceMilliseconds: Int64 = 3_000

    var phaseName: String { phase.rawValue }
    /// A cancel may come at any time: what is marked stays, or is in no index and the next prune's.
    var isCommitted: Bool { false }

    var chore: RepositoryChore? {
        switch phase {
        case .plan: .plan
        case .compact: .compact(plan)
        case .sweep: .sweep(plan)
        case .writers, .readers: nil
        }
    }

    mutating func proceed(_ facts: WorkflowFacts) -> [WorkflowAction] {
        if let busy = facts.repositoryUsers.first(where: earlier.contains) {
            return [
                .wait(
                    .guarded, "waits for operation \(busy), which began before",
                    afterMilliseconds: 1_000)
            ]
        }
        if let notBefore, facts.now < notBefore {
            return [
                .wait(
                    .guarded, "waits for those who look into backups",
                    afterMilliseconds: notBefore.milliseconds - facts.now.milliseconds)
            ]
        }
        phase = phase == .writers ? .compact : .sweep
        return [.wait(.ready, "the repository is worked on", afterMilliseconds: 0)]
    }

    mutating func done(_ outcome: ChoreOutcome, _ facts: WorkflowFacts) -> [WorkflowAction] {
        earlier = Set(facts.repositoryUsers)
        switch outcome {
        case .planned(let plan, let sweptSnapshots):
            self.plan = plan
            result.packs = plan.packs
            result.bytes = plan.bytes
            result.sweptSnapshots = sweptSnapshots
            guard !plan.marked.isEmpty else { return end() }
            phase = .writers
        case .compacted(let compaction):
            result.repackedPacks = compaction.repackedPacks
            result.writtenBytes = compaction.writtenBytes
            notBefore = Timestamp(
                milliseconds: facts.now.milliseconds + Self.graceMilliseconds)
            phase = .readers
        case .swept(let removal):
            result.removedPacks = removal.removedPacks
            result.reclaimedBytes = removal.reclaimedBytes - result.writtenBytes
            return end()
        case .snapshotsRemoved, .checked, .indexRebuilt, .salvaged, .snapshotsRepaired,
            .copied, .repositoryRemoved, .later, .refused:
            return mistaken
        }
        return proceed(facts)
    }

    private func end() -> [WorkflowAction] {
        do {
            return [.succeed(try JSON.value(result))]
        } catch {
            return [.fail(Failure(code: "bad-result", message: "\(error)"))]
        }
    }
}
