import Shared

/// Runs a command in a project.
struct ExecuteWorkflow: SequentialSteps {
    enum Phase: String, Codable {
        case execute
    }

    var phase = Phase.execute
    var awaiting: String?
    var isCanceling = false
    var isCommitted: Bool { false }
    private let order: ExecuteRequest

    init(_ order: ExecuteRequest) {
        self.order = order
    }

    mutating func proceed(_ facts: WorkflowFacts) -> [WorkflowAction] {
        if isCanceling { return stop(facts) }
        guard facts.project.isProvisioned == true else { return [.fail(facts.project.noVolume)] }
        return run(
            "execute", on: facts.project.host.id, facts,
            .execute(
                VolumeExecuteInput(
                    volume: facts.project.volume(), command: order.command, asRoot: order.asRoot,
                    timeoutSeconds: order.timeoutSeconds ?? 600)))
    }

    mutating func succeeded(
        _ key: String, _ outcome: ChildOutcome, _ facts: WorkflowFacts
    ) -> [WorkflowAction] {
        guard case .succeeded(let value) = outcome else { return [] }
        return [.succeed(value)]
    }

    mutating func failed(
        _ key: String, _ failure: Failure, _ facts: WorkflowFacts
    ) -> [WorkflowAction] {
        isCanceling ? stop(facts) : [.fail(failure)]
    }

    mutating func stop(_ facts: WorkflowFacts) -> [WorkflowAction] { [.cancel] }
}
