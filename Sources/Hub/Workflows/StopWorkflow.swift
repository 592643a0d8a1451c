import Shared

/// Stops a project's runtime.
struct StopWorkflow: SequentialSteps, Hashable {
    enum Phase: String, Codable {
        case stop
    }

    var phase = Phase.stop
    var awaiting: String?
    var isCanceling = false
    var isCommitted: Bool { false }

    mutating func proceed(_ facts: WorkflowFacts) -> [WorkflowAction] {
        if isCanceling { return stop(facts) }
        var actions: [WorkflowAction] = []
        if facts.project.isWantedRunning {
            actions.append(
                .record(
                    .projectWanted(
                        ProjectWanted(project: facts.project.id, isWantedRunning: false))))
        }
        guard facts.project.isProvisioned != false else {
            return actions + [.succeed(.object([:]))]
        }
        return actions
            + run(
                "stop", on: facts.project.host.id, facts,
                .stopRuntime(facts.project.runtimeInput()))
    }

    mutating func succeeded(
        _ key: String, _ outcome: ChildOutcome, _ facts: WorkflowFacts
    ) -> [WorkflowAction] {
        [.succeed(.object([:]))]
    }

    mutating func failed(
        _ key: String, _ failure: Failure, _ facts: WorkflowFacts
    ) -> [WorkflowAction] {
        isCanceling ? stop(facts) : [.fail(failure)]
    }

    mutating func stop(_ facts: WorkflowFacts) -> [WorkflowAction] { [.cancel] }
}
