import Shared

/// Moves a project to another host.
///
/// Up to the switch of the placement every failure leaves the source as it was; from there on there
/// is only forward.
struct MoveWorkflow: SequentialSteps, Hashable {
    enum Phase: String, Codable {
        case drain
        case backup
        /// The target builds what the first backup holds, so that only the delta is left.
        case prepare
        case stop
        case finalBackup = "final-backup"
        case stage
        case copies
        case start
        case halt
        case retire
        case undoThaw = "undo-thaw"
        case undoStart = "undo-start"
        case undoStage = "undo-stage"
    }

    /// What the move found, and how far it got.
    struct Plan: Codable, Sendable, Hashable {
        var source: HostID
        var generation: Int64
        var wasRunning: Bool
        /// The source cannot be reached; the loss was accepted by name.
        var isSourceLost: Bool
        var hasVolume: Bool
        var didStop = false
        var didFreeze = false
        var didStage = false
        var finalTries = 0
        /// The backup that the target restores, and that covers the source's volume.
        var covering: BackupReference?
    }

    var phase = Phase.drain
    var awaiting: String?
    var isCanceling = false
    private(set) var isCommitted = false
    let order: MoveOrder
    var plan: Plan?
    /// Why it is undone.
    var reason: Failure?
    private var startFailure: Failure?
    private var retireTries = 0

    init(_ order: MoveOrder) {
        self.order = order
    }

    mutating func proceed(_ facts: WorkflowFacts) -> [WorkflowAction] {
        guard var plan else { return begin(facts) }
        let project = facts.project
        switch phase {
        case .drain: return begin(facts)
        case .backup: return backup("backup", facts, tags: [BackupOrder.moveTag])
        case .prepare: return prepare(facts)
        case .stop:
            plan.didStop = true
            self.plan = plan
            return run("stop", on: plan.source, facts, .stopRuntime(project.runtimeInput()))
        case .finalBackup:
            plan.didFreeze = true
            plan.finalTries += 1
            self.plan = plan
            let key = plan.finalTries == 1 ? "final" : "final/\(plan.finalTries)"
            return backup(key, facts, isFinal: true, tags: [BackupOrder.moveTag])
        case .stage: return stage(facts)
        case .copies:
            if let next = applyNextCopy(facts, on: order.target, generation: plan.generation + 1) {
                return next
            }
            phase = .start
            return proceed(facts)
        case .start:
            guard plan.wasRunning else { return leave(facts) }
            return run(
                "start", on: order.target, facts,
                .startRuntime(project.runtimeInput(generation: plan.generation + 1)))
        case .halt:
            return run(
                "halt", on: plan.source, facts,
                .stopRuntime(project.runtimeInput(generation: plan.generation)))
        case .retire: return retire(facts)
        case .undoThaw, .undoStart, .undoStage: return undo(facts)
        }
    }

    // MARK: Before the switch

    private mutating func begin(_ facts: WorkflowFacts) -> [WorkflowAction] {
        if isCanceling { return [.cancel] }
        if let wait = drain(facts) { return wait }
        let project = facts.project
        guard project.host.id != order.target, facts.target != nil else {
            return [
                .fail(
                    Failure(
                        code: "same-host",
                        message: "project \(project.name) is placed on \(project.host.name)"))
            ]
        }
        let hasVolume = project.isProvisioned != false
        let isLost = hasVolume && !project.host.isOnline
        if isLost {
            guard order.acceptLoss == project.name, project.newestBackup != nil else {
                return [
                    .fail(
                        Failure(
                            code: "source-offline",
                            message: "host \(project.host.name) is offline, and what changed "
                                + "since the last backup would be lost",
                            hint: "accept it by the project's name, or bring the host back"))
                ]
            }
        }
        plan = Plan(
            source: project.host.id, generation: project.generation,
            wasRunning: hasVolume && project.isMeantToRun, isSourceLost: isLost,
            hasVolume: hasVolume, covering: isLost ? project.newestBackup : nil)
        // Without a volume there is nothing to carry: the next start restores what a backup has.
        if !hasVolume { return switchPlacement(facts, isProvisioned: false) }
        phase = isLost ? .stage : .backup
        return proceed(facts)
    }

    /// While the project still runs.
    private mutating func prepare(_ facts: WorkflowFacts) -> [WorkflowAction] {
        guard var plan, let covering = plan.covering else {
            return undo(ChildOutcome.badResult, facts)
        }
        plan.didStage = true
        self.plan = plan
        return [.pin(covering, .move)]
            + run(
                "prepare", on: order.target, facts,
                .restore(
                    VolumeRestoreInput(
                        volume: facts.project.volume(generation: plan.generation + 1),
                        backup: covering, replacesVolume: false, isStaged: true)))
    }

    private mutating func stage(_ facts: WorkflowFacts) -> [WorkflowAction] {
        guard var plan, let covering = plan.covering else {
            return undo(ChildOutcome.badResult, facts)
        }
        plan.didStage = true
        self.plan = plan
        return [.pin(covering, .move)]
            + run(
                "stage", on: order.target, facts,
                .restore(
                    VolumeRestoreInput(
                        volume: facts.project.volume(generation: plan.generation + 1),
                        backup: covering, replacesVolume: false)))
    }

    mutating func succeeded(
        _ key: String, _ outcome: ChildOutcome, _ facts: WorkflowFacts
    ) -> [WorkflowAction] {
        if let end = copyEnd(key, .done, nil, facts) { return [end] }
        if isCanceling, !isCommitted, !key.hasPrefix("undo") { return undo(nil, facts) }
        switch key {
        case "backup":
            if let failure = partial(outcome) { return undo(failure, facts) }
            plan?.covering = outcome.result(VolumeBackupResult.self)?.backup
            // A project that does not run is not kept down by a restore of everything.
            phase = plan?.wasRunning ?? false ? .prepare : .stop
            return []
        case "prepare":
            guard let plan, let covering = plan.covering else {
                return undo(ChildOutcome.badResult, facts)
            }
            if let failure = ReceiptCheck.failure(
                outcome, backup: covering, host: order.target, generation: plan.generation + 1)
            {
                return undo(failure, facts)
            }
            phase = .stop
            return []
        case "stop":
            phase = .finalBackup
            return []
        case "stage": return staged(outcome, facts)
        case "start": return leave(facts)
        case "halt":
            phase = .retire
            return []
        case "undo-thaw", "undo-start", "undo-stage": return undo(facts)
        default:
            if key.hasPrefix("final") { return finalBackup(outcome, facts) }
            return key.hasPrefix("retire") ? finish() : []
        }
    }

    /// Why a backup does not hold all that the volume holds.
    private func partial(_ outcome: ChildOutcome) -> Failure? {
        guard let result = outcome.result(VolumeBackupResult.self) else {
            return ChildOutcome.badResult
        }
        guard let first = result.omissions.first else { return nil }
        return Failure(
            code: "backup-partial",
            message: "the backup leaves out \(result.omissions.count) paths, such as \(first)",
            hint: "make them readable, or delete nested subvolumes, and move again")
    }

    private mutating func finalBackup(
        _ outcome: ChildOutcome, _ facts: WorkflowFacts
    ) -> [WorkflowAction] {
        if let failure = partial(outcome) { return undo(failure, facts) }
        guard let result = outcome.result(VolumeBackupResult.self) else {
            return undo(ChildOutcome.badResult, facts)
        }
        if !result.isCurrent {
            // Something wrote to the volume after its snapshot: once more.
            guard let tries = plan?.finalTries, tries < 3 else {
                return undo(
                    Failure(
                        code: "volume-changing",
                        message: "the volume changed during each of 3 final backups",
                        hint: "find out which process of the host writes to it"), facts)
            }
            phase = .finalBackup
            return []
        }
        plan?.covering = result.backup
        phase = .stage
        return []
    }

    private mutating func staged(
        _ outcome: ChildOutcome, _ facts: WorkflowFacts
    ) -> [WorkflowAction] {
        guard let plan, let covering = plan.covering else {
            return undo(ChildOutcome.badResult, facts)
        }
        if let failure = ReceiptCheck.failure(
            outcome, backup: covering, host: order.target, generation: plan.generation + 1)
        {
            return undo(failure, facts)
        }
        guard facts.project.host.id == plan.source, facts.project.generation == plan.generation
        else {
            return undo(
                Failure(
                    code: "placement-changed", message: "the project was placed anew meanwhile"),
                facts)
        }
        return switchPlacement(facts, isProvisioned: true)
    }

    // MARK: From the switch on

    /// The commit point of a move: the placement changes in the transaction of these actions.
    private mutating func switchPlacement(
        _ facts: WorkflowFacts, isProvisioned: Bool
    ) -> [WorkflowAction] {
        isCommitted = true
        phase = isProvisioned ? .copies : .start
        return [
            .record(
                .placementChanged(
                    PlacementChanged(
                        project: facts.project.id, host: order.target,
                        generation: facts.project.generation + 1, isProvisioned: isProvisioned)))
        ]
    }

    /// The project is at home on the target: others may have it, the source is cleaned up.
    private mutating func leave(_ facts: WorkflowFacts) -> [WorkflowAction] {
        guard let plan, plan.hasVolume else { return finish() }
        phase = plan.isSourceLost ? .halt : .retire
        return [.releaseGuard]
    }

    private mutating func retire(_ facts: WorkflowFacts) -> [WorkflowAction] {
        guard let plan else { return finish() }
        retireTries += 1
        return run(
            "retire/\(retireTries)", on: plan.source, facts,
            .retire(
                VolumeRetireInput(
                    volume: facts.project.volume(generation: plan.generation),
                    coveringBackup: plan.covering?.id, isDeletion: false)))
    }

    private func finish() -> [WorkflowAction] {
        var result: [String: JSONValue] = ["host": .string("\(order.target)")]
        if let plan {
            result["generation"] = .integer(plan.generation + 1)
            result["backup"] = plan.covering.map { .string("\($0.id)") }
            // What the source changed after this is not on the target.
            if plan.isSourceLost {
                result["lossSince"] = plan.covering.map { .string("\($0.takenAt)") }
            }
        }
        result["startFailure"] = startFailure.map { .string($0.description) }
        return [.succeed(.object(result))]
    }

    mutating func failed(
        _ key: String, _ failure: Failure, _ facts: WorkflowFacts
    ) -> [WorkflowAction] {
        if let end = copyEnd(key, .failed, failure, facts) { return [end] }
        switch key {
        case "start":
            startFailure = failure
            return leave(facts)
        case "halt":
            phase = .retire
            return []
        case "undo-thaw", "undo-start", "undo-stage":
            worsen(key, failure)
            return undo(facts)
        default:
            guard key.hasPrefix("retire") else { return undo(failure, facts) }
            if failure.code == "volume-missing" { return finish() }
            return [
                .wait(
                    .backoff, "the source's volume is not retired yet: \(failure.message)",
                    afterMilliseconds: 60_000)
            ]
        }
    }
}
