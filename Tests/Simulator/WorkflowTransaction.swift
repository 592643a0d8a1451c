import Shared

/// A workflow's step: all of it is one transaction, in which the product's workflow decides.
extension World {
    /// Works on a claimed workflow until it waits or ends.
    ///
    /// - Throws: `Violation`.
    mutating func run(_ operation: Int, epoch: Int, _ rules: Rules) throws {
        guard database.isFenced(operation, epoch: epoch, host: nil) else { return }
        let body = database.operations[operation]
        var workflow =
            body.workflow >= 0
            ? body.workflow : rules.catalogue.number(begin(body, rules))
        var agenda = WorkflowAgenda(hasBegun: body.workflow >= 0)
        var wait = WorkflowDecision.Action.wait(isTimed: false, isGuarded: false)
        for _ in 0..<200 {
            guard let event = next(operation, workflow, &agenda, rules) else { break }
            let decision = decide(question(operation, workflow, event, rules), rules)
            workflow = decision.workflow
            wait = .wait(isTimed: false, isGuarded: false)
            var waits = false
            for action in decision.actions {
                if case .end(let outcome) = action {
                    database.operations[operation].workflow = workflow
                    try end(operation, outcome, rules)
                    return
                }
                if case .wait = action {
                    wait = action
                    waits = true
                }
                try perform(action, operation, rules)
            }
            agenda.heard(
                event.product(rules), hasActed: !decision.actions.isEmpty, waits: waits)
        }
        database.operations[operation].workflow = workflow
        database.operations[operation].attempts -= 1
        if case .wait(let isTimed, let isGuarded) = wait {
            database.operations[operation].place = .waiting(isTimed: isTimed, isGuarded: isGuarded)
        }
    }

    private func next(
        _ operation: Int, _ workflow: Int, _ agenda: inout WorkflowAgenda, _ rules: Rules
    ) -> WorkflowQuestion.Event? {
        let steps = rules.catalogue.workflow(workflow)
        let awaited = steps.awaited
        let children = database.children(of: operation).map { child -> WorkflowChild in
            var outcome: ChildOutcome?
            if case .ended(let number) = database.operations[child].place {
                outcome = rules.catalogue.outcome(number)
            }
            return WorkflowChild(
                id: Names.id(child), key: rules.catalogue.key(database.operations[child].key),
                lane: "", outcome: outcome)
        }
        let isCanceled =
            database.operations[operation].isCanceled && !steps.isCanceling && !steps.isCommitted
        let hasEnded = children.contains { $0.outcome != nil && awaited.contains($0.key) }
        let isDue = isCanceled && !(rules.has(.cancelHeardLate) && hasEnded)
        switch agenda.next(awaited: awaited, children: children, isCancelDue: isDue) {
        case nil: return nil
        case .began: return .began
        case .woken: return .woken
        case .cancelRequested: return .cancelRequested
        case .childEnded(let key, let outcome):
            return .childEnded(
                key: rules.catalogue.number(key), outcome: rules.catalogue.number(outcome))
        }
    }

    private func begin(_ body: Operation, _ rules: Rules) -> SimulatedWorkflow {
        switch rules.options.orders[body.order] {
        case .start: return .start(StartWorkflow())
        case .stop: return .stop(StopWorkflow())
        case .backup: return .backup(BackupWorkflow(BackupOrder()))
        case .move(let project, let target, let acceptsLoss):
            return .move(
                MoveWorkflow(
                    MoveOrder(
                        target: Names.id(target),
                        acceptLoss: acceptsLoss ? "project\(project)" : nil)))
        case .copy(_, let destination):
            guard let path = try? ProjectPath("data") else { return .start(StartWorkflow()) }
            return .copy(
                CopyWorkflow(
                    CopyOrder(
                        path: path, destinations: [Names.id(destination)], destinationPath: path,
                        overwrite: .always)))
        }
    }

    // MARK: The question

    private func question(
        _ operation: Int, _ workflow: Int, _ event: WorkflowQuestion.Event, _ rules: Rules
    ) -> WorkflowQuestion {
        let body = database.operations[operation]
        var target = -1
        if case .move(_, let host, _) = rules.options.orders[body.order] { target = host }
        var question = WorkflowQuestion(
            workflow: workflow, event: event, operation: operation,
            project: project(body.project, for: body.root, target: target, rules),
            freshBackup: freshBackup(rules), freshCopy: database.copies.count)
        if target >= 0 {
            question.target = target
            question.isTargetOnline = database.isOnline(target)
        }
        if case .copy(_, let destination) = rules.options.orders[body.order] {
            question.copies = database.copies.indices
                .filter { database.copies[$0].operation == operation }.map(copy)
            question.destinations = [project(destination, for: body.root, target: -1, rules)]
            if rules.has(.copyOvertakes) { question.destinations[0].copies = [] }
        }
        return question
    }

    /// The next number of a backup that no operation has.
    private func freshBackup(_ rules: Rules) -> Int {
        var highest = -1
        for operation in database.operations.indices
        where database.operations[operation].kind == .volumeBackup {
            highest = max(highest, backupNumber(operation, rules) ?? -1)
        }
        return highest + 1
    }

    private func copy(_ number: Int) -> WorkflowQuestion.CopyState {
        let copy = database.copies[number]
        let live = database.applying(number)
        return WorkflowQuestion.CopyState(
            number: number, operation: copy.operation, source: copy.source,
            destination: copy.destination, backup: copy.backup,
            content: database.backups[copy.backup]?.content ?? Content(), state: copy.state,
            appliedBy: live.map { database.operations[$0].root } ?? -1)
    }

    private func project(
        _ project: Int, for root: Int, target: Int, _ rules: Rules
    ) -> WorkflowQuestion.Project {
        let placement = database.placements[project]
        let known = database.known[project].flatMap { known in
            known.host == placement.host && known.observation.generation == placement.generation
                ? known : nil
        }
        let newest = database.newest(of: project) ?? -1
        var provisioned = placement.isProvisioned
        if rules.has(.nullAsFalse) { provisioned = provisioned ?? false }
        var blockers = blockers(project, for: root, target: target)
        if rules.has(.noDrain) { blockers = [] }
        let guardian = database.guards[project].flatMap { $0.operation == root ? nil : $0 }
        return WorkflowQuestion.Project(
            number: project, host: placement.host, isOnline: database.isOnline(placement.host),
            generation: placement.generation, isProvisioned: provisioned,
            isWantedRunning: placement.isWantedRunning, newest: newest,
            newestContent: newest < 0
                ? Content() : database.backups[newest]?.content ?? Content(),
            freshness: known?.observation.freshness ?? 2,
            isRunning: known?.observation.isRunning, guardian: guardian?.operation ?? -1,
            blockers: blockers,
            copies: database.copies.indices.filter {
                database.copies[$0].destination == project && database.copies[$0].state.isOpen
            }.map(copy))
    }

    /// As statement 4 of `WorkflowFactsReader` has it.
    private func blockers(_ project: Int, for root: Int, target: Int) -> [Int] {
        database.operations.indices.filter { number in
            let other = database.operations[number]
            guard other.isLive, other.project == project, other.root != root else { return false }
            let isWorkflow =
                other.parent < 0 && other.lane < 0 && other.kind != .copy && !other.isKeyFree
            let runsOnHost = other.lane >= 0 && other.lease != nil
            return isWorkflow || runsOnHost || other.kind == .volumeRetire && other.lane == target
        }
    }

    /// What the product's workflow decides; asked once for each question.
    private func decide(_ question: WorkflowQuestion, _ rules: Rules) -> WorkflowDecision {
        if let known = rules.catalogue.decisions[question] { return known }
        var workflow = rules.catalogue.workflow(question.workflow)
        let actions = workflow.handle(question.event.product(rules), question.facts(rules))
        let decision = WorkflowDecision(
            workflow: rules.catalogue.number(workflow),
            actions: actions.compactMap { $0.numbered(rules) })
        rules.catalogue.decisions[question] = decision
        return decision
    }
}

extension WorkflowQuestion.Event {
    func product(_ rules: Rules) -> WorkflowEvent {
        switch self {
        case .began: .began
        case .woken: .woken
        case .cancelRequested: .cancelRequested
        case .childEnded(let key, let outcome):
            .childEnded(rules.catalogue.key(key), rules.catalogue.outcome(outcome))
        }
    }
}

extension WorkflowAction {
    /// The action in numbers; nil for what the simulator leaves out.
    func numbered(_ rules: Rules) -> WorkflowDecision.Action? {
        switch self {
        case .runChild(let order):
            return .runChild(
                key: rules.catalogue.number(order.key), host: Names.number(order.host),
                project: Names.number(order.project), copy: order.copy.map(Names.number) ?? -1,
                work: rules.catalogue.number(order.work))
        case .cancelChildren: return .cancelChildren
        case .cancelChild(let key): return .cancelChild(key: rules.catalogue.number(key))
        case .record(.placementChanged(let event)):
            return .place(
                project: Names.number(event.project), host: Names.number(event.host),
                generation: Int(event.generation), isProvisioned: event.isProvisioned)
        case .record(.placementProvisioned(let event)):
            return .provision(
                project: Names.number(event.project), isProvisioned: event.isProvisioned)
        case .record(.projectWanted(let event)):
            return .want(
                project: Names.number(event.project), isWantedRunning: event.isWantedRunning)
        case .pin(let backup, _): return .pin(backup: Names.number(backup.id))
        case .createCopy(let copy):
            return .createCopy(
                number: Names.number(copy.copy), backup: Names.number(copy.backup),
                destination: Names.number(copy.destination))
        case .endCopy(let copy, _, let state, _):
            return .endCopy(Names.number(copy), Copy.State(state))
        case .releaseGuard: return .releaseGuard
        case .wait(let reason, _, let milliseconds):
            return milliseconds == 0
                ? .wait(isTimed: true, isGuarded: false)
                : .wait(isTimed: true, isGuarded: reason == .guarded)
        case .succeed(let value):
            return .end(outcome: rules.catalogue.number(ChildOutcome.succeeded(value)))
        case .fail(var failure):
            failure.class = .terminal
            return .end(outcome: rules.catalogue.number(ChildOutcome.failed(failure)))
        case .cancel: return .end(outcome: rules.catalogue.number(ChildOutcome.canceled))
        case .record, .forget, .recordCheck, .recordRepaired, .releaseBases: return nil
        }
    }
}
