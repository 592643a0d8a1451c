import Repository
import Shared

/// Makes a project's repository consistent again with what is left of it, alone with it.
///
/// The index is made to name what is there; every pack is read; what is good in damaged ones is
/// saved. Where something is lost then, that is the end, unless the loss was accepted: backups
/// that are not whole are replaced by what is left of them, which names what is missing.
struct RepairWorkflow: ChoreSteps {
    enum Phase: String, Codable {
        case alone
        case index
        case read
        case salvage
        case structure
        case snapshots
        case remove
        case verify
    }

    var phase = Phase.alone
    var isCanceling = false
    private let order: RepairOrder
    private var since: Timestamp?
    private var damaged: [String] = []
    /// Snapshot files that others have taken the place of.
    private var replaced: [String] = []
    private var result = RepairResult()

    /// So much is read in one chore.
    private static let pieceBytes: Int64 = 512 << 20

    init(_ order: RepairOrder) {
        self.order = order
    }

    var phaseName: String { phase.rawValue }
    /// Each step leaves the repository at least as good as it was.
    var isCommitted: Bool { false }

    var chore: RepositoryChore? {
        switch phase {
        case .alone: nil
        case .index: .rebuildIndex
        case .read: since.map { .checkPacks(since: $0, limitBytes: Self.pieceBytes) }
        case .salvage: .salvage(damaged)
        case .structure, .verify: .checkStructure
        case .snapshots: .repairSnapshots
        case .remove: .removeSnapshots(replaced)
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
        return begin(.index)
    }

    mutating func done(_ outcome: ChoreOutcome, _ facts: WorkflowFacts) -> [WorkflowAction] {
        switch outcome {
        case .indexRebuilt(let repair):
            result.recoveredPacks = repair.recoveredPacks
            result.missingPacks = repair.missingPacks
            result.replacedIndexFiles = repair.replacedFiles
            since = facts.now
            return begin(.read)
        case .checked(let found, let packsLeft, let damaged):
            return checked(found, packsLeft, damaged, facts)
        case .salvaged(let blobs, let lost):
            result.salvagedBlobs = blobs
            result.lostBlobs = lost
            return begin(.structure)
        case .snapshotsRepaired(let repair):
            result.lostPathCount = repair.lostPathCount
            result.lostPaths = Array(repair.lostPaths.prefix(RepairResult.listLimit))
            return replace(repair, facts) + begin(.remove)
        case .snapshotsRemoved: return begin(.verify)
        case .planned, .compacted, .swept, .copied, .repositoryRemoved, .later, .refused:
            return mistaken
        }
    }

    private mutating func checked(
        _ found: CheckResult, _ packsLeft: Int, _ damaged: [String], _ facts: WorkflowFacts
    ) -> [WorkflowAction] {
        switch phase {
        case .read:
            result.packsRead += found.packsRead
            result.bytesRead += found.bytesRead
            self.damaged += damaged
            result.damagedPacks = self.damaged.count
            guard packsLeft == 0 else { return begin(.read) }
            return begin(self.damaged.isEmpty ? .structure : .salvage)
        case .structure where found.findingCount > 0 && order.acceptsLoss:
            return begin(.snapshots)
        case .structure, .verify:
            result.findings = found.findings
            result.findingCount = found.findingCount
            return end(found)
        case .alone, .index, .salvage, .snapshots, .remove: return mistaken
        }
    }

    /// What is left of a backup takes its place in the registry, with what is missing named.
    private mutating func replace(
        _ repair: SnapshotsRepair, _ facts: WorkflowFacts
    ) -> [WorkflowAction] {
        var actions: [WorkflowAction] = []
        var staying: Set<String> = []
        for (backup, fresh) in zip(facts.backups, facts.freshBackups) {
            guard let now = repair.repaired[backup.snapshot] else { continue }
            let lost = repair.lostPaths.filter { $0.hasPrefix(backup.snapshot.prefix(8)) }
            actions.append(
                .recordRepaired(
                    backup, as: fresh, snapshot: now.snapshot, rootTree: now.rootTree,
                    omissions: lost.isEmpty ? ["a part of it was lost"] : lost))
            result.repairedBackups.append(fresh)
            // A pinned one stays as it is, and is named by every check (D9).
            guard backup.pins.allSatisfy({ $0 == PinReason.base.rawValue }) else {
                staying.insert(backup.snapshot)
                continue
            }
            actions.append(.releaseBases(of: backup.reference))
            actions.append(.forget(backup.reference))
            result.replacedBackups.append(backup.id)
        }
        replaced = repair.repaired.keys.filter { !staying.contains($0) }.sorted()
        return actions
    }

    private mutating func begin(_ phase: Phase) -> [WorkflowAction] {
        self.phase = phase
        return [.wait(.ready, "the repository is worked on", afterMilliseconds: 0)]
    }

    private func end(_ found: CheckResult) -> [WorkflowAction] {
        var checked = found
        checked.packsRead = result.packsRead
        checked.bytesRead = result.bytesRead
        let record = WorkflowAction.recordCheck(.all, checked)
        guard found.findingCount == 0 else {
            let shown = found.findings.prefix(5).joined(separator: "; ")
            return [
                record,
                .fail(
                    Failure(
                        code: "data-lost",
                        message: "\(found.findingCount) things are missing: \(shown)",
                        hint: order.acceptsLoss
                            ? "forget the backups that are pinned when they are free"
                            : "berth backup repair --accept-loss keeps what is left of each backup"
                    )),
            ]
        }
        do {
            return [record, .succeed(try JSON.value(result))]
        } catch {
            return [.fail(Failure(code: "bad-result", message: "\(error)"))]
        }
    }
}

/// Input of `repair`.
struct RepairOrder: Sendable, Codable, Hashable {
    var acceptsLoss = false
}

/// What became of an index.
struct IndexRepair: Sendable, Hashable {
    var recoveredPacks: Int
    var missingPacks: Int
    var replacedFiles: Int

    init(_ report: RepositoryRepair.IndexReport) {
        recoveredPacks = report.recoveredPacks
        missingPacks = report.missingPacks.count
        replacedFiles = report.replacedFiles
    }
}

/// What became of the snapshots, by the old ones' names.
struct SnapshotsRepair: Sendable, Hashable {
    /// A snapshot that was written anew.
    struct Repaired: Sendable, Hashable {
        var snapshot: String
        var rootTree: String
    }

    var repaired: [String: Repaired] = [:]
    var lostPaths: [String]
    var lostPathCount: Int

    init(_ report: RepositoryRepair.SnapshotsReport) {
        lostPaths = report.lostPaths
        lostPathCount = report.lostPaths.count
        for snapshot in report.repaired {
            repaired[snapshot.old.hex] = Repaired(
                snapshot: snapshot.new.hex, rootTree: snapshot.tree.hex)
        }
    }
}
