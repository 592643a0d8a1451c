import Shared

/// Fills a project from a directory of its host; a project that never had a volume gets one.
struct ImportWorkflow: SequentialSteps {
    enum Phase: String, Codable {
        case volume
        case importing = "import"
    }

    var phase = Phase.volume
    var awaiting: String?
    var isCanceling = false
    var isCommitted: Bool { false }
    private let order: ImportRequest

    init(_ order: ImportRequest) {
        self.order = order
    }

    mutating func proceed(_ facts: WorkflowFacts) -> [WorkflowAction] {
        if isCanceling { return stop(facts) }
        let project = facts.project
        if phase == .volume, project.isProvisioned != true {
            // What a backup holds must not be hidden by a new volume (D6).
            guard project.isProvisioned == false, project.newestBackup == nil else {
                return [.fail(project.noVolume)]
            }
            return run(
                "create", on: project.host.id, facts,
                .create(VolumeInput(volume: project.volume())))
        }
        phase = .importing
        return run(
            "import", on: project.host.id, facts,
            .importTree(
                VolumeImportInput(
                    volume: project.volume(), directory: order.directory,
                    destination: order.destination, isFaithful: order.isFaithful)))
    }

    mutating func succeeded(
        _ key: String, _ outcome: ChildOutcome, _ facts: WorkflowFacts
    ) -> [WorkflowAction] {
        guard key == "create" else {
            guard case .succeeded(let value) = outcome else { return [] }
            return [.succeed(value)]
        }
        phase = .importing
        if facts.project.isProvisioned == true { return [] }
        return [
            .record(
                .placementProvisioned(
                    PlacementProvisioned(
                        project: facts.project.id, host: facts.project.host.id,
                        generation: facts.project.generation, isProvisioned: true)))
        ]
    }

    mutating func failed(
        _ key: String, _ failure: Failure, _ facts: WorkflowFacts
    ) -> [WorkflowAction] {
        isCanceling ? stop(facts) : [.fail(failure)]
    }

    mutating func stop(_ facts: WorkflowFacts) -> [WorkflowAction] { [.cancel] }
}
