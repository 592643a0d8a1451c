import Repository
import Shared
import Testing

@testable import Hub

@Suite("Repair and rekey as pure values")
struct RepairWorkflowTests {
    private static func facts(
        _ chore: ChoreAnswer? = nil, backups: [BackupDescription] = [], users: [UInt64] = []
    ) throws -> WorkflowFacts {
        var world = WorkflowWorld(true, isOnline: true)
        var facts = world.emptyFacts()
        facts.now = Timestamp(milliseconds: 1_000_000)
        facts.chore = chore
        facts.backups = backups
        facts.freshBackups = backups.indices.map { WorkflowWorld.identifier(UInt64(500 + $0)) }
        facts.freshRepository = WorkflowWorld.identifier(900)
        facts.repositoryUsers = users.map { WorkflowWorld.identifier($0) }
        return facts
    }

    private static func backup(_ number: Int, pins: [String]) -> BackupDescription {
        BackupDescription(
            id: WorkflowWorld.identifier(UInt64(number)),
            project: WorkflowWorld.identifier(1), snapshot: snapshot(number),
            rootTree: snapshot(number + 1), takenAt: Timestamp(milliseconds: Int64(number)),
            host: WorkflowWorld.identifier(2), generation: 1, files: 3, bytes: 4, addedBytes: 5,
            storedBytes: 6, omissions: [], tags: ["t"], pins: pins)
    }

    private static func snapshot(_ number: Int) -> String {
        BlobID(hashing: [UInt8(number)]).hex
    }

    private static func checked(findings: Int, damaged: [String] = []) -> ChoreOutcome {
        var result = CheckResult()
        result.findingCount = findings
        result.findings = (0..<findings).map { "data/\($0) is missing" }
        return .checked(result, packsLeft: 0, damaged: damaged)
    }

    /// Answers the workflow's present chore.
    private static func answer(
        _ repair: inout RepairWorkflow, _ outcome: ChoreOutcome, _ backups: [BackupDescription]
    ) throws -> [WorkflowAction] {
        let chore = try #require(repair.chore)
        return repair.handle(
            .woken, try facts(ChoreAnswer(chore: chore, outcome: outcome), backups: backups))
    }

    /// Up to the point where the damaged packs are gone.
    private static func salvaged(
        _ repair: inout RepairWorkflow, _ backups: [BackupDescription]
    ) throws {
        _ = repair.handle(.began, try facts(users: [7]))
        #expect(repair.phase == .alone && repair.chore == nil)
        _ = repair.handle(.woken, try facts())
        #expect(repair.chore == .rebuildIndex)
        let index = IndexRepair(RepositoryRepair.IndexReport())
        _ = try answer(&repair, .indexRebuilt(index), backups)
        _ = try answer(&repair, checked(findings: 1, damaged: ["ab"]), backups)
        #expect(repair.chore == .salvage(["ab"]))
        _ = try answer(&repair, .salvaged(blobs: 5, lost: 1), backups)
        #expect(repair.phase == .structure)
    }

    @Test("Unless the loss is accepted a repair ends with what is lost, and changes no backup")
    func refused() throws {
        var repair = RepairWorkflow(RepairOrder())
        let backups = [Self.backup(10, pins: [])]
        try Self.salvaged(&repair, backups)
        let actions = try Self.answer(&repair, Self.checked(findings: 2), backups)
        guard case .recordCheck(.all, let result)? = actions.first,
            case .fail(let failure)? = actions.last
        else {
            Issue.record("\(actions)")
            return
        }
        #expect(result.findingCount == 2)
        #expect(failure.code == "data-lost" && failure.hint?.contains("--accept-loss") == true)
    }

    @Test("What is left of a backup takes its place, but never that of a pinned one")
    func accepted() throws {
        var repair = RepairWorkflow(RepairOrder(acceptsLoss: true))
        let backups = [
            Self.backup(30, pins: ["base"]), Self.backup(20, pins: ["move"]),
            Self.backup(10, pins: []),
        ]
        try Self.salvaged(&repair, backups)
        _ = try Self.answer(&repair, Self.checked(findings: 2), backups)
        #expect(repair.chore == .repairSnapshots)
        var report = SnapshotsRepair(RepositoryRepair.SnapshotsReport())
        for number in [30, 20] {
            report.repaired[Self.snapshot(number)] = SnapshotsRepair.Repaired(
                snapshot: Self.snapshot(number + 5), rootTree: Self.snapshot(number + 6))
        }
        report.lostPaths = ["\(Self.snapshot(30).prefix(8)):/project/a"]
        let actions = try Self.answer(&repair, .snapshotsRepaired(report), backups)
        let recorded = actions.compactMap { action -> [String]? in
            guard case .recordRepaired(_, _, _, _, let omissions) = action else { return nil }
            return omissions
        }
        #expect(recorded == [report.lostPaths, ["a part of it was lost"]])
        let forgotten = actions.compactMap { action -> BackupID? in
            if case .forget(let backup) = action { backup.id } else { nil }
        }
        #expect(forgotten == [backups[0].id])
        #expect(repair.chore == .removeSnapshots([Self.snapshot(30)]))
        _ = try Self.answer(&repair, .snapshotsRemoved, backups)
        let last = try Self.answer(&repair, Self.checked(findings: 0), backups)
        guard case .succeed(let value)? = last.last else {
            Issue.record("\(last)")
            return
        }
        let result = try JSON.decode(RepairResult.self, from: value)
        #expect(result.repairedBackups.count == 2 && result.replacedBackups == [backups[0].id])
        #expect(result.salvagedBlobs == 5 && result.lostBlobs == 1 && result.damagedPacks == 1)
    }

    private static func copy(_ snapshots: [String: String]) -> RepositoryCopy {
        RepositoryCopy(
            bucket: WorkflowWorld.identifier(3), prefix: "p", chunkerPolynomial: "1",
            replaces: WorkflowWorld.identifier(4), oldLocation: "/old", snapshots: snapshots,
            copiedBlobs: 7, writtenBytes: 8)
    }

    @Test("A new repository takes the old one's place only with all backups in it")
    func rekey() throws {
        var rekey = RekeyWorkflow(RekeyOrder(removesOld: true))
        let backups = [Self.backup(10, pins: ["base"]), Self.backup(20, pins: [])]
        _ = rekey.handle(.began, try Self.facts(users: [7]))
        #expect(rekey.chore == nil && !rekey.isCommitted)
        _ = rekey.handle(.woken, try Self.facts())
        let chore = RepositoryChore.copyRepository(to: WorkflowWorld.identifier(900))
        #expect(rekey.chore == chore)
        // The second was recorded while the first was copied.
        var snapshots = [backups[0].snapshot: Self.snapshot(11)]
        let early = ChoreAnswer(chore: chore, outcome: .copied(Self.copy(snapshots)))
        let again = rekey.handle(.woken, try Self.facts(early, backups: backups))
        #expect(again.count == 1 && !rekey.isCommitted && rekey.chore == chore)
        snapshots[backups[1].snapshot] = Self.snapshot(21)
        let all = ChoreAnswer(chore: chore, outcome: .copied(Self.copy(snapshots)))
        let actions = rekey.handle(.woken, try Self.facts(all, backups: backups))
        guard case .record(.repositoryReplaced(let event))? = actions.first else {
            Issue.record("\(actions)")
            return
        }
        #expect(event.snapshots == snapshots && rekey.isCommitted)
        // From here on only forward.
        #expect(rekey.handle(.cancelRequested, try Self.facts()).isEmpty)
        let removed = ChoreAnswer(
            chore: .removeRepository(WorkflowWorld.identifier(4)), outcome: .repositoryRemoved)
        let last = rekey.handle(.woken, try Self.facts(removed))
        guard case .succeed(let value)? = last.last else {
            Issue.record("\(last)")
            return
        }
        #expect(try JSON.decode(RekeyResult.self, from: value).isOldRemoved)
    }

    @Test("A repository that does not hold a backup is not copied for ever")
    func incomplete() throws {
        var rekey = RekeyWorkflow(RekeyOrder())
        let backups = [Self.backup(10, pins: [])]
        _ = rekey.handle(.woken, try Self.facts())
        let answer = ChoreAnswer(
            chore: try #require(rekey.chore), outcome: .copied(Self.copy([:])))
        var last: [WorkflowAction] = []
        for _ in 0..<3 { last = rekey.handle(.woken, try Self.facts(answer, backups: backups)) }
        guard case .fail(let failure)? = last.last else {
            Issue.record("\(last)")
            return
        }
        #expect(failure.code == "repository-damaged")
    }
}
