import Repository
import Shared
import Testing

@testable import Hub

@Suite("Check, forget and prune as pure values")
struct MaintenanceWorkflowTests {
    private static func facts(
        users: [UInt64] = [], chore: ChoreAnswer? = nil, now: Int64 = 1_000_000
    ) throws -> WorkflowFacts {
        var world = WorkflowWorld(true, isOnline: true)
        var facts = world.emptyFacts()
        facts.now = Timestamp(milliseconds: now)
        facts.repositoryUsers = users.map { WorkflowWorld.identifier($0) }
        facts.chore = chore
        return facts
    }

    private static func milliseconds(_ actions: [WorkflowAction]) -> Int64? {
        guard case .wait(_, _, let milliseconds)? = actions.last else { return nil }
        return milliseconds
    }

    private static var plan: PrunePlan {
        var plan = PrunePlan()
        plan.marked = [BlobID(hashing: [1])]
        return plan
    }

    @Test("A prune waits for all who worked on the repository at its marks, and at its index")
    func prune() throws {
        var prune = PruneWorkflow()
        #expect(prune.chore == .plan)
        #expect(Self.milliseconds(prune.handle(.began, try Self.facts())) == 0)
        // Marked while 7 and 8 work.
        let planned = ChoreAnswer(
            chore: .plan, outcome: .planned(Self.plan, sweptSnapshots: 0))
        #expect(
            Self.milliseconds(
                prune.handle(.woken, try Self.facts(users: [7, 8], chore: planned))) ?? 0 > 0)
        #expect(prune.phase == .writers && prune.chore == nil)
        // 7 has ended, 9 began later: 8 is still waited for, and then 9 is not.
        #expect(
            Self.milliseconds(prune.handle(.woken, try Self.facts(users: [8, 9]))) ?? 0 > 0)
        #expect(prune.phase == .writers)
        #expect(Self.milliseconds(prune.handle(.woken, try Self.facts(users: [9]))) == 0)
        #expect(prune.chore == .compact(Self.plan))
        // The old answer is no answer to this chore.
        #expect(
            Self.milliseconds(
                prune.handle(.woken, try Self.facts(users: [9], chore: planned))) == 0)
        #expect(prune.phase == .compact)
        let compacted = ChoreAnswer(
            chore: .compact(Self.plan), outcome: .compacted(PruneCompaction()))
        _ = prune.handle(.woken, try Self.facts(users: [9, 10], chore: compacted))
        #expect(prune.phase == .readers)
        // Both may have read the old index.
        _ = prune.handle(.woken, try Self.facts(users: [10], now: 2_000_000))
        #expect(prune.phase == .readers)
        // Nobody is left, but the hub itself may be looking into a backup.
        _ = prune.handle(.woken, try Self.facts(now: 1_000_001))
        #expect(prune.phase == .readers)
        _ = prune.handle(.woken, try Self.facts(users: [11], now: 2_000_000))
        #expect(prune.chore == .sweep(Self.plan))
        var removal = PruneRemoval()
        (removal.removedPacks, removal.reclaimedBytes) = (3, 4096)
        let actions = prune.handle(
            .woken,
            try Self.facts(chore: ChoreAnswer(chore: .sweep(Self.plan), outcome: .swept(removal))))
        guard case .succeed(let value)? = actions.last else {
            Issue.record("\(actions)")
            return
        }
        #expect(try JSON.decode(PruneResult.self, from: value).removedPacks == 3)
    }

    @Test("With nothing to remove a prune ends; where stock restic works it is tried again")
    func pruneOfNothing() throws {
        var prune = PruneWorkflow()
        let later = ChoreAnswer(chore: .plan, outcome: .later("restic is at work"))
        #expect(Self.milliseconds(prune.handle(.woken, try Self.facts(chore: later))) == 5_000)
        let nothing = ChoreAnswer(
            chore: .plan, outcome: .planned(PrunePlan(), sweptSnapshots: 2))
        let actions = prune.handle(.woken, try Self.facts(chore: nothing))
        guard case .succeed? = actions.last else {
            Issue.record("\(actions)")
            return
        }
    }

    @Test("A check reads piece after piece, fails with what it found, and remembers it")
    func check() throws {
        for findings in [0, 1] {
            var check = CheckWorkflow(CheckRequest(reading: .all))
            var found = CheckResult()
            (found.packs, found.bytes) = (9, 1 << 30)
            _ = check.handle(
                .woken,
                try Self.facts(
                    chore: ChoreAnswer(
                        chore: .checkStructure, outcome: .checked(found, packsLeft: 0))))
            var last: [WorkflowAction] = []
            for left in [5, 0] {
                let chore = try #require(check.chore)
                guard case .checkPacks(let since, _) = chore else {
                    Issue.record("\(chore)")
                    return
                }
                #expect(since == Timestamp(milliseconds: 1_000_000))
                var piece = CheckResult()
                (piece.packsRead, piece.bytesRead) = (2, 100)
                piece.findingCount = left == 5 ? findings : 0
                piece.findings = piece.findingCount > 0 ? ["data/ab is corrupt"] : []
                last = check.handle(
                    .woken,
                    try Self.facts(
                        chore: ChoreAnswer(
                            chore: chore, outcome: .checked(piece, packsLeft: left)),
                        now: left == 5 ? 1_000_500 : 1_000_900))
            }
            guard case .recordCheck(.all, let result)? = last.first else {
                Issue.record("\(last)")
                return
            }
            #expect(result.packsRead == 4 && result.bytesRead == 200)
            #expect(result.findingCount == findings)
            switch last.last {
            case .succeed: #expect(findings == 0)
            case .fail(let failure):
                #expect(findings == 1)
                #expect(failure.message.contains("data/ab is corrupt"))
            default: Issue.record("\(last)")
            }
        }
    }

    @Test("What is forgotten is recorded before its snapshot files go; pinned backups stay")
    func forget() throws {
        var policy = RetentionPolicy()
        policy.last = 1
        var forget = ForgetWorkflow(ForgetOrder(policy: policy))
        var facts = try Self.facts()
        facts.now = Timestamp(milliseconds: 10_000)
        facts.backups = [
            Self.backup(3, pins: []), Self.backup(2, pins: []), Self.backup(1, pins: ["base"]),
        ]
        let actions = forget.handle(.began, facts)
        let gone = actions.compactMap { action -> BackupID? in
            if case .forget(let backup) = action { backup.id } else { nil }
        }
        #expect(gone == [facts.backups[1].id])
        #expect(forget.isCommitted)
        #expect(forget.handle(.cancelRequested, facts).isEmpty)
        let chore = try #require(forget.chore)
        #expect(chore == .removeSnapshots([facts.backups[1].snapshot]))
        let end = forget.handle(
            .woken, try Self.facts(chore: ChoreAnswer(chore: chore, outcome: .snapshotsRemoved)))
        guard case .succeed(let value)? = end.last else {
            Issue.record("\(end)")
            return
        }
        let result = try JSON.decode(ForgetResult.self, from: value)
        #expect(result.forgotten == gone && result.kept == 2)
    }

    private static func backup(_ number: UInt64, pins: [String]) -> BackupDescription {
        BackupDescription(
            id: WorkflowWorld.identifier(number), project: WorkflowWorld.identifier(90),
            snapshot: BlobID(hashing: [UInt8(number)]).hex, rootTree: "",
            takenAt: Timestamp(milliseconds: Int64(number) * 1_000),
            host: WorkflowWorld.identifier(91), generation: 1, files: 1, bytes: 1, addedBytes: 1,
            storedBytes: 1, omissions: [], tags: [], pins: pins)
    }
}
