import Repository
import Shared

/// Work on a repository that a workflow asks its hub to do outside of any transaction; each may
/// come twice.
enum RepositoryChore: Sendable, Codable, Hashable {
    /// Removes snapshot files that no backup has, and marks packs that may go.
    case plan
    /// Takes marked packs out of the index.
    case compact(PrunePlan)
    /// Deletes marked packs.
    case sweep(PrunePlan)
    /// Removes snapshot files of forgotten backups.
    case removeSnapshots([String])
    /// Checks all but the packs' content.
    case checkStructure
    /// Reads packs that were not read since, up to so many bytes.
    case checkPacks(since: Timestamp, limitBytes: Int64)
    /// Makes the index name what is in the bucket.
    case rebuildIndex
    /// Copies what is good out of damaged packs, and removes them.
    case salvage([String])
    /// Writes snapshots that are not whole anew, without what is lost.
    case repairSnapshots
    /// Makes a repository with another key, and copies all that backups need into it.
    case copyRepository(to: RepositoryID)
    /// Removes a repository that another has taken the place of.
    case removeRepository(RepositoryID)

    /// What its progress counts.
    var unit: Progress.Unit {
        switch self {
        case .checkPacks: .bytes
        case .plan, .compact, .sweep, .removeSnapshots, .checkStructure, .rebuildIndex, .salvage,
            .repairSnapshots, .copyRepository, .removeRepository:
            .steps
        }
    }

    /// What must not be at work on the repository at the same time.
    enum Rival: Sendable {
        /// Repairs and rekeys, which hold the project's guard.
        case guardians
        case prunes
    }

    /// What the chore waits for.
    var rival: Rival? {
        switch self {
        case .plan, .compact, .sweep: .guardians
        case .rebuildIndex, .salvage, .repairSnapshots, .copyRepository, .removeRepository: .prunes
        case .removeSnapshots, .checkStructure, .checkPacks: nil
        }
    }

    /// A word for progress.
    var phase: String {
        switch self {
        case .plan: "plan"
        case .compact: "compact"
        case .sweep: "sweep"
        case .removeSnapshots: "remove"
        case .checkStructure: "structure"
        case .checkPacks: "read"
        case .rebuildIndex: "index"
        case .salvage: "salvage"
        case .repairSnapshots: "snapshots"
        case .copyRepository: "copy"
        case .removeRepository: "remove"
        }
    }
}

/// What came of a chore.
enum ChoreOutcome: Sendable, Hashable {
    case planned(PrunePlan, sweptSnapshots: Int)
    case compacted(PruneCompaction)
    case swept(PruneRemoval)
    case snapshotsRemoved
    /// What a check has found, and how many packs are left to read.
    ///
    /// - Parameter damaged: packs that were read and are damaged.
    case checked(CheckResult, packsLeft: Int, damaged: [String] = [])
    case indexRebuilt(IndexRepair)
    case salvaged(blobs: Int, lost: Int)
    case snapshotsRepaired(SnapshotsRepair)
    case copied(RepositoryCopy)
    case repositoryRemoved
    /// It cannot be done now: stock restic works on the repository.
    case later(String)
    /// It cannot be done.
    case refused(Failure)
}

/// A chore with what came of it.
struct ChoreAnswer: Sendable {
    let chore: RepositoryChore
    let outcome: ChoreOutcome
}

/// A workflow whose work is chores, one after the other.
protocol ChoreSteps: WorkflowSteps {
    var isCanceling: Bool { get set }
    /// The chore of the current phase; nil while there is none to do.
    var chore: RepositoryChore? { get }
    /// Goes on without a chore's outcome: begins a phase, or waits for somebody.
    mutating func proceed(_ facts: WorkflowFacts) -> [WorkflowAction]
    /// The current phase's chore was done.
    mutating func done(_ outcome: ChoreOutcome, _ facts: WorkflowFacts) -> [WorkflowAction]
}

extension ChoreSteps {
    var awaited: Set<String> { [] }

    mutating func handle(_ event: WorkflowEvent, _ facts: WorkflowFacts) -> [WorkflowAction] {
        switch event {
        case .childEnded: return []
        case .cancelRequested:
            guard !isCommitted, !isCanceling else { return [] }
            isCanceling = true
            return [.cancel]
        case .began, .woken:
            if isCanceling { return [.cancel] }
            guard let chore else { return proceed(facts) }
            guard let answer = facts.chore, answer.chore == chore else {
                return [.wait(.ready, "the repository is worked on", afterMilliseconds: 0)]
            }
            switch answer.outcome {
            case .later(let why):
                return [.wait(.backoff, why, afterMilliseconds: 5_000)]
            case .refused(let failure): return [.fail(failure)]
            case .planned, .compacted, .swept, .snapshotsRemoved, .checked, .indexRebuilt,
                .salvaged, .snapshotsRepaired, .copied, .repositoryRemoved:
                return done(answer.outcome, facts)
            }
        }
    }

    /// That a chore's outcome is another chore's.
    var mistaken: [WorkflowAction] {
        [.fail(Failure(code: "bad-result", message: "the hub mistook one chore for another"))]
    }
}
