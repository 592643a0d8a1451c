import Shared

/// Retires a project: its volume goes to the trash, its backups stay.
struct DeleteWorkflow: SequentialSteps, Hashable {
    enum Phase: String, Codable {
        case drain
        case stop
        case retire
    }

    var phase = Phase.drain
    var awaiting: String?
    var isCanceling = false
    var isCommitted: Bool { false }

    mutating func proceed(_ facts: WorkflowFacts) -> [WorkflowAction] {
        if isCanceling { return stop(facts) }
        let project = facts.project
        switch phase {
        case .drain:
            if let wait = drain(facts) { return wait }
            // Nothing says that there is no volume but a report: unknown is looked for.
            guard project.isProvisioned != false else { return finish(facts) }
            phase = .stop
            return proceed(facts)
        case .stop:
            return run("stop", on: project.host.id, facts, .stopRuntime(project.runtimeInput()))
        case .retire:
            return run(
                "retire", on: project.host.id, facts,
                .retire(
                    VolumeRetireInput(
                        volume: project.volume(), coveringBackup: project.newestBackup?.id,
                        isDeletion: true)))
        }
    }

    mutating func succeeded(
        _ key: String, _ outcome: ChildOutcome, _ facts: WorkflowFacts
    ) -> [WorkflowAction] {
        guard key == "stop" else { return finish(facts) }
        phase = .retire
        return proceed(facts)
    }

    mutating func failed(
        _ key: String, _ failure: Failure, _ facts: WorkflowFacts
    ) -> [WorkflowAction] {
        if isCanceling { return stop(facts) }
        guard failure.code == "volume-missing" else { return [.fail(failure)] }
        return finish(facts)
    }

    private func finish(_ facts: WorkflowFacts) -> [WorkflowAction] {
        facts.project.pendingCopies.map { copy in
            .endCopy(copy.id, destination: facts.project.id, .canceled, nil)
        } + [
            .record(.projectDeleted(ProjectDeleted(project: facts.project.id))),
            .succeed(.object([:])),
        ]
    }

    mutating func stop(_ facts: WorkflowFacts) -> [WorkflowAction] { [.cancel] }
}
