import Shared

/// Gives a project a new repository with another key and all of its backups, alone with it.
///
/// All is copied and checked; then one event makes the new repository the project's own. Before
/// that nothing has changed; after it there is only forward.
struct RekeyWorkflow: ChoreSteps {
    enum Phase: String, Codable {
        case alone
        case copy
        case remove
    }

    var phase = Phase.alone
    var isCanceling = false
    private let order: RekeyOrder
    private var repository: RepositoryID?
    private var result: RekeyResult?
    /// How often everything was copied and yet a backup was not there.
    private var incomplete = 0

    /// A backup may be recorded while its repository is copied, but not again and again.
    private static let copiesLimit = 3

    init(_ order: RekeyOrder) {
        self.order = order
    }

    var phaseName: String { phase.rawValue }
    var isCommitted: Bool { phase == .remove }

    var chore: RepositoryChore? {
        switch phase {
        case .alone: nil
        case .copy: repository.map { .copyRepository(to: $0) }
        case .remove: result.map { .removeRepository($0.replaced) }
        }
    }

    mutating func proceed(_ facts: WorkflowFacts) -> [WorkflowAction] {
        if let busy = facts.repositoryUsers.first ?? facts.project.blockers.first?.operation {
            return [
                .wait(
                    .guarded, "waits for operation \(busy), which began before",
                    afterMilliseconds: 500)
            ]
        }
        repository = repository ?? facts.freshRepository
        return begin(.copy)
    }

    mutating func done(_ outcome: ChoreOutcome, _ facts: WorkflowFacts) -> [WorkflowAction] {
        switch outcome {
        case .copied(let copy):
            // One that was recorded meanwhile is copied as well.
            guard let repository else { return mistaken }
            let missing = facts.backups.filter { copy.snapshots[$0.snapshot] == nil }
            if let backup = missing.first {
                incomplete += 1
                guard incomplete < Self.copiesLimit else {
                    return [
                        .fail(
                            Failure(
                                code: "repository-damaged",
                                message: "the repository does not hold backup \(backup.id)",
                                hint: "berth backup check says what is wrong"))
                    ]
                }
                return begin(.copy)
            }
            result = RekeyResult(
                repository: repository, replaced: copy.replaces, oldLocation: copy.oldLocation,
                isOldRemoved: order.removesOld, snapshots: copy.snapshots.count,
                copiedBlobs: copy.copiedBlobs, writtenBytes: copy.writtenBytes)
            // The commit point.
            let switched = WorkflowAction.record(
                .repositoryReplaced(
                    RepositoryReplaced(
                        repository: repository, project: facts.project.id, bucket: copy.bucket,
                        prefix: copy.prefix, chunkerPolynomial: copy.chunkerPolynomial,
                        replaces: copy.replaces, snapshots: copy.snapshots)))
            return [switched] + (order.removesOld ? begin(.remove) : end())
        case .repositoryRemoved: return end()
        case .planned, .compacted, .swept, .snapshotsRemoved, .checked, .indexRebuilt, .salvaged,
            .snapshotsRepaired, .later, .refused:
            return mistaken
        }
    }

    private mutating func begin(_ phase: Phase) -> [WorkflowAction] {
        self.phase = phase
        return [.wait(.ready, "the repository is worked on", afterMilliseconds: 0)]
    }

    private func end() -> [WorkflowAction] {
        do {
            return [.succeed(try JSON.value(result))]
        } catch {
            return [.fail(Failure(code: "bad-result", message: "\(error)"))]
        }
    }
}

/// Input of `rekey`.
struct RekeyOrder: Sendable, Codable, Hashable {
    var removesOld = false
}
