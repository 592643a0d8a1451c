import Shared

/// How a move that fails before its switch leaves the source as it was.
extension MoveWorkflow {
    var isUndoing: Bool {
        switch phase {
        case .undoThaw, .undoStart, .undoStage: true
        case .drain, .backup, .prepare, .stop, .finalBackup, .stage, .copies, .start, .halt,
            .retire:
            false
        }
    }

    mutating func stop(_ facts: WorkflowFacts) -> [WorkflowAction] {
        undo(nil, facts)
    }

    /// Begins to undo.
    ///
    /// - Parameter failure: why; nil for a cancel.
    mutating func undo(_ failure: Failure?, _ facts: WorkflowFacts) -> [WorkflowAction] {
        reason = isCanceling ? nil : failure
        phase = .undoThaw
        guard let plan, plan.didFreeze, !plan.isSourceLost else { return undo(facts) }
        return run(
            "undo-thaw", on: plan.source, facts,
            .thaw(VolumeInput(volume: facts.project.volume(generation: plan.generation))))
    }

    /// Takes the next step back: writable, then running, then the staged volume away.
    mutating func undo(_ facts: WorkflowFacts) -> [WorkflowAction] {
        guard let plan else { return end }
        switch phase {
        case .undoThaw:
            phase = .undoStart
            guard plan.didStop, plan.wasRunning else { return undo(facts) }
            return run(
                "undo-start", on: plan.source, facts,
                .startRuntime(facts.project.runtimeInput(generation: plan.generation)))
        case .undoStart:
            phase = .undoStage
            guard plan.didStage else { return end }
            // The source is as it was; an offline target keeps nobody from using it.
            return [.releaseGuard]
                + run(
                    "undo-stage", on: order.target, facts,
                    .retire(
                        VolumeRetireInput(
                            volume: facts.project.volume(generation: plan.generation + 1),
                            coveringBackup: plan.covering?.id, isDeletion: false)))
        case .drain, .backup, .prepare, .stop, .finalBackup, .stage, .copies, .start, .halt,
            .retire,
            .undoStage:
            return end
        }
    }

    /// Adds to the reason what could not be undone; a staged volume that is not there is fine.
    mutating func worsen(_ key: String, _ failure: Failure) {
        if failure.code == "volume-missing", key == "undo-stage" { return }
        let what =
            switch key {
            case "undo-thaw": "the source's volume could not be made writable again"
            case "undo-start": "the project could not be started again"
            default: "the staged volume could not be removed"
            }
        let before = reason?.message ?? "the move was canceled"
        reason = Failure(
            code: reason?.code ?? "canceled", message: "\(before); \(what): \(failure.message)",
            hint: reason?.hint)
    }

    private var end: [WorkflowAction] {
        reason.map { [.fail($0)] } ?? [.cancel]
    }
}
