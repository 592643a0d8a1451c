import Shared

/// Restores what is missing, applies pending copies, then starts the runtime (D6).
struct StartWorkflow: SequentialSteps, Hashable {
    enum Phase: String, Codable {
        case volume
        case copies
        case runtime
    }

    var phase = Phase.volume
    var awaiting: String?
    var isCanceling = false
    /// The backup being restored.
    private var restoring: BackupReference?
    var isCommitted: Bool { false }

    mutating func proceed(_ facts: WorkflowFacts) -> [WorkflowAction] {
        let project = facts.project
        if isCanceling { return stop(facts) }
        if project.isDeleted {
            return [
                .fail(
                    Failure(code: "project-deleted", message: "project \(project.name) was deleted")
                )
            ]
        }
        switch phase {
        case .volume:
            if project.isProvisioned == true {
                phase = .copies
                return proceed(facts)
            }
            return provide(facts)
        case .copies:
            if let next = applyNextCopy(facts, on: project.host.id) { return next }
            phase = .runtime
            return proceed(facts)
        case .runtime:
            // Also without a command: the host makes sure that the volume is there.
            return run(
                "start", on: project.host.id, facts, .startRuntime(project.runtimeInput()))
        }
    }

    /// Makes the volume: from the newest backup, or an empty one where there never was any (D5).
    private mutating func provide(_ facts: WorkflowFacts) -> [WorkflowAction] {
        let project = facts.project
        guard let backup = project.newestBackup else {
            return run(
                "create", on: project.host.id, facts,
                .create(VolumeInput(volume: project.volume())))
        }
        restoring = backup
        return [.pin(backup, .restore)]
            + run(
                "restore", on: project.host.id, facts,
                .restore(
                    VolumeRestoreInput(
                        volume: project.volume(), backup: backup, replacesVolume: false)))
    }

    mutating func succeeded(
        _ key: String, _ outcome: ChildOutcome, _ facts: WorkflowFacts
    ) -> [WorkflowAction] {
        if let end = copyEnd(key, .done, nil, facts) {
            // The copy is still among the facts; it is gone when the workflow is woken.
            return [end]
        }
        switch key {
        case "create": return provisioned(facts)
        case "restore":
            guard let backup = restoring else { return proceed(facts) }
            if let failure = ReceiptCheck.failure(
                outcome, backup: backup, host: facts.project.host.id,
                generation: facts.project.generation)
            {
                return [.fail(failure)]
            }
            return provisioned(facts)
        default: return finish(facts)
        }
    }

    private mutating func provisioned(_ facts: WorkflowFacts) -> [WorkflowAction] {
        phase = .copies
        if facts.project.isProvisioned == true { return [] }
        return [
            .record(
                .placementProvisioned(
                    PlacementProvisioned(
                        project: facts.project.id, host: facts.project.host.id,
                        generation: facts.project.generation, isProvisioned: true)))
        ]
    }

    private func finish(_ facts: WorkflowFacts) -> [WorkflowAction] {
        var actions: [WorkflowAction] = []
        if !facts.project.isWantedRunning {
            actions.append(
                .record(
                    .projectWanted(
                        ProjectWanted(project: facts.project.id, isWantedRunning: true))))
        }
        return actions + [.succeed(.object(["host": .string("\(facts.project.host.id)")]))]
    }

    mutating func failed(
        _ key: String, _ failure: Failure, _ facts: WorkflowFacts
    ) -> [WorkflowAction] {
        if isCanceling {
            let copy = copyEnd(key, .canceled, nil, facts)
            return (copy.map { [$0] } ?? []) + stop(facts)
        }
        if failure.code == "volume-exists", facts.project.isProvisioned == nil {
            // Nobody had looked: what is there is kept, and its generation checked by the start.
            phase = .copies
            return []
        }
        // A copy that fails says so itself; it does not keep the project down.
        if let end = copyEnd(key, .failed, failure, facts) { return [end] }
        return [.fail(failure)]
    }

    mutating func stop(_ facts: WorkflowFacts) -> [WorkflowAction] { [.cancel] }
}
