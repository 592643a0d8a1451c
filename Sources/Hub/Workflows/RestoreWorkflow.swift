import Shared

/// Puts a project, or a path of it, back to what a backup holds.
///
/// What was there before is backed up first, and the old volume goes to the trash.
struct RestoreWorkflow: SequentialSteps, Hashable {
    enum Phase: String, Codable {
        case drain
        case path
        case stop
        case safety = "safety-backup"
        case restore
        case start
        case undo
    }

    var phase = Phase.drain
    var awaiting: String?
    var isCanceling = false
    /// The exchange of the volumes is recorded.
    private(set) var isCommitted = false
    var isUndoing: Bool { phase == .undo }
    private let order: RestoreOrder
    private var wasRunning = false
    /// What the stop has found to hold all that the volume held then.
    private var covering: BackupID?
    private var receipt: JSONValue = .null
    private var reason: Failure?

    init(_ order: RestoreOrder) {
        self.order = order
        if order.path != nil { phase = .path }
    }

    mutating func proceed(_ facts: WorkflowFacts) -> [WorkflowAction] {
        if isCanceling, !isCommitted, phase != .undo { return stop(facts) }
        let project = facts.project
        switch phase {
        case .path: return restorePath(facts)
        case .drain:
            if let wait = drain(facts) { return wait }
            wasRunning = project.isProvisioned != false && project.isMeantToRun
            phase = project.isProvisioned == false ? .restore : .stop
            return proceed(facts)
        case .stop:
            return run("stop", on: project.host.id, facts, .stopRuntime(project.runtimeInput()))
        case .safety:
            // What a host says by itself lags behind its volumes (D3), so only the stop's word counts;
            // and a backup of which something may be lost covers nothing.
            if let covering, covering == project.volumeBase?.id,
                !project.distrusted.contains(covering)
            {
                phase = .restore
                return proceed(facts)
            }
            return backup("safety", facts, tags: ["before-restore"])
        case .restore:
            return [.pin(order.backup, .restore)]
                + run(
                    "restore", on: project.host.id, facts,
                    .restore(
                        VolumeRestoreInput(
                            volume: project.volume(generation: project.generation + 1),
                            backup: order.backup,
                            replacesVolume: project.isProvisioned != false,
                            isFromNothing: order.isFromNothing, isPartial: order.isPartial)))
        case .start:
            guard wasRunning else { return [.succeed(receipt)] }
            return run("start", on: project.host.id, facts, .startRuntime(project.runtimeInput()))
        case .undo:
            return end
        }
    }

    private mutating func restorePath(_ facts: WorkflowFacts) -> [WorkflowAction] {
        guard let path = order.path, facts.project.isProvisioned == true else {
            return [.fail(facts.project.noVolume)]
        }
        return [.pin(order.backup, .restore)]
            + run(
                "apply", on: facts.project.host.id, facts,
                .apply(
                    VolumeApplyInput(
                        volume: facts.project.volume(), copy: nil, backup: order.backup,
                        source: path, destination: order.destination ?? path,
                        overwrite: order.overwrite, isFaithful: true)))
    }

    mutating func succeeded(
        _ key: String, _ outcome: ChildOutcome, _ facts: WorkflowFacts
    ) -> [WorkflowAction] {
        switch key {
        case "apply":
            guard case .succeeded(let value) = outcome else { return [] }
            return [.succeed(value)]
        case "stop":
            covering = outcome.result(RuntimeStopResult.self)?.coveringBackup
            phase = .safety
            return []
        case "safety":
            phase = .restore
            return []
        case "restore": return exchanged(outcome, facts)
        case "start":
            phase = .start
            return [.succeed(receipt)]
        default:
            return end
        }
    }

    /// The commit point: the placement's generation rises in the transaction of these actions.
    private mutating func exchanged(
        _ outcome: ChildOutcome, _ facts: WorkflowFacts
    ) -> [WorkflowAction] {
        let project = facts.project
        let generation = project.generation + 1
        if let failure = ReceiptCheck.failure(
            outcome, backup: order.backup, host: project.host.id, generation: generation,
            isPartial: order.isPartial ?? false)
        {
            return undo(failure, facts)
        }
        if case .succeeded(let value) = outcome { receipt = value }
        isCommitted = true
        phase = .start
        return [
            .record(
                .placementChanged(
                    PlacementChanged(
                        project: project.id, host: project.host.id, generation: generation,
                        isProvisioned: true)))
        ]
    }

    mutating func failed(
        _ key: String, _ failure: Failure, _ facts: WorkflowFacts
    ) -> [WorkflowAction] {
        switch key {
        case "stop", "safety":
            // Nothing is there that could be stopped or saved.
            if failure.code == "volume-missing", !isCanceling {
                phase = .restore
                wasRunning = false
                return []
            }
            return undo(failure, facts)
        case "start":
            var result: [String: JSONValue] = ["startFailure": .string(failure.description)]
            result["receipt"] = receipt
            return [.succeed(.object(result))]
        case "undo-start":
            if let before = reason {
                reason = Failure(
                    code: before.code,
                    message: before.message + "; then it could not be started again: "
                        + failure.message, hint: before.hint)
            }
            return end
        case "apply": return isCanceling ? [.cancel] : [.fail(failure)]
        default: return undo(failure, facts)
        }
    }

    mutating func stop(_ facts: WorkflowFacts) -> [WorkflowAction] {
        undo(nil, facts)
    }

    /// Leaves the project as it was: running if it ran.
    private mutating func undo(
        _ failure: Failure?, _ facts: WorkflowFacts
    ) -> [WorkflowAction] {
        let hadStopped = phase == .stop || phase == .safety || phase == .restore
        reason = failure
        phase = .undo
        guard wasRunning, hadStopped else { return end }
        return run(
            "undo-start", on: facts.project.host.id, facts,
            .startRuntime(facts.project.runtimeInput()))
    }

    private var end: [WorkflowAction] {
        guard !isCanceling, let reason else { return [.cancel] }
        return [.fail(reason)]
    }
}
