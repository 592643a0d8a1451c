import Shared

/// Performs what workflows decide, within the transaction of their step.
extension World {
    mutating func perform(
        _ action: WorkflowDecision.Action, _ operation: Int, _ rules: Rules
    ) throws {
        let body = database.operations[operation]
        switch action {
        case .runChild(let key, let host, let project, let copy, let work):
            if rules.has(.guardReleasedEarly), body.kind == .move {
                database.guards[body.project] = nil
            }
            let isKnown = database.children(of: operation).contains {
                database.operations[$0].key == key
            }
            if isKnown { return }
            if copy >= 0, database.applying(copy) != nil { return }
            database.operations.append(
                Operation(
                    kindNumber: Operation.number(of: rules.catalogue.work(work).kind), lane: host,
                    project: project, parent: operation, root: body.root, key: key, copy: copy,
                    work: work))
        case .cancelChildren:
            for child in database.children(of: operation) where database.operations[child].isLive {
                try cancel(child, rules)
            }
        case .cancelChild(let key):
            for child in database.children(of: operation)
            where database.operations[child].key == key && database.operations[child].isLive {
                try cancel(child, rules)
            }
        case .place(let project, let host, let generation, let isProvisioned):
            try place(project, host, generation, isProvisioned, by: operation, rules)
        case .provision(let project, let isProvisioned):
            database.placements[project].isProvisioned = isProvisioned
            wakeCopies(into: project)
        case .want(let project, let isWantedRunning):
            database.placements[project].isWantedRunning = isWantedRunning
        case .pin(let backup): database.pin(backup, .operation(body.root))
        case .createCopy(let number, let backup, let destination):
            createCopy(number, backup, destination, by: operation, rules)
        case .endCopy(let copy, let state): endCopy(copy, state)
        case .releaseGuard:
            if database.guards[body.project]?.operation == operation {
                database.guards[body.project] = nil
            }
            database.operations[operation].isKeyFree = true
            wakeGuarded(body.project)
        case .wait, .end: break
        }
    }

    /// The commit point of a move.
    private mutating func place(
        _ project: Int, _ host: Int, _ generation: Int, _ isProvisioned: Bool?, by operation: Int,
        _ rules: Rules
    ) throws {
        let before = database.placements[project]
        try invariant(
            "D1", generation == before.generation + 1,
            "project \(project) goes from generation \(before.generation) to \(generation)")
        try invariant(
            "I6", !truth.canceled.contains(operation),
            "move \(operation) switches the placement although its cancel was accepted")
        let isLost = isSourceLost(operation, rules)
        if isProvisioned == true {
            let volume = agents[host].volumes[project]
            try invariant(
                "D5", volume != nil && agents[host].records[project]?.generation == generation,
                "project \(project) is placed on host \(host), which has no volume of generation "
                    + "\(generation)")
            if let volume, !isLost {
                try invariant(
                    "I12", volume.content.version >= truth.lastPlacedWrite[project],
                    "the move of project \(project) loses write \(truth.lastPlacedWrite[project]): "
                        + "the target has \(volume.content.version)")
            }
        } else {
            try invariant(
                "I12", agents[before.host].volumes[project] == nil,
                "project \(project) leaves a volume behind that the move took for missing")
        }
        if isLost { truth.isLossAccepted[project] = true }
        truth.lastPlacedWrite[project] = agents[host].volumes[project]?.content.version ?? 0
        database.placements[project].host = host
        database.placements[project].generation = generation
        database.placements[project].isProvisioned = isProvisioned
        database.known[project] = nil
        wakeCopies(into: project)
    }

    /// Whether a move gave its source up with what it may have changed.
    private func isSourceLost(_ operation: Int, _ rules: Rules) -> Bool {
        let number = database.operations[operation].workflow
        guard number >= 0, case .move(let move) = rules.catalogue.workflow(number) else {
            return false
        }
        return move.plan?.isSourceLost ?? false
    }

    private mutating func createCopy(
        _ number: Int, _ backup: Int, _ destination: Int, by operation: Int, _ rules: Rules
    ) {
        guard number == database.copies.count else { return }
        let older = database.copies.indices.filter {
            database.copies[$0].destination == destination && database.copies[$0].state == .pending
                && database.applying($0) == nil
        }
        database.copies.append(
            Copy(
                operation: operation, source: database.operations[operation].project,
                destination: destination, backup: backup))
        if !rules.has(.copyUnpinned) { database.pin(backup, .copy(number)) }
        truth.superseded += older
        if rules.has(.supersededApplied) { return }
        for earlier in older { endCopy(earlier, .superseded) }
    }

    // MARK: Orders

    /// Gives an order; refused where a guard keeps the project.
    mutating func order(_ number: Int, _ rules: Rules, isChecked: Bool = false) throws {
        let order = rules.options.orders[number]
        let kind: OperationKind
        let project: Int
        var takesGuard = false
        switch order {
        case .start(let target): (kind, project) = (.start, target)
        case .stop(let target): (kind, project) = (.stop, target)
        case .backup(let target): (kind, project) = (.backup, target)
        case .move(let moved, _, _): (kind, project, takesGuard) = (.move, moved, true)
        case .copy(let source, _): (kind, project) = (.copy, source)
        }
        guard isChecked || isAccepted(order, kind, project, rules) else { return }
        let id = database.operations.count
        database.operations.append(
            Operation(
                kindNumber: Operation.number(of: kind), lane: -1, project: project, root: id,
                order: number))
        if takesGuard {
            let isFree = database.guards[project] == nil
            try invariant("I7", isFree, "two operations guard project \(project) at once")
            database.guards[project] = Guard(operation: id, epoch: drawEpoch())
        }
    }

    /// As `OperationCreation` and `OperationChecks` refuse.
    func isAccepted(
        _ order: Options.Order, _ kind: OperationKind, _ project: Int, _ rules: Rules
    ) -> Bool {
        if kind != .copy,
            database.operations.contains(where: {
                $0.isLive && $0.parent < 0 && $0.kind == kind && $0.project == project
                    && !$0.isKeyFree
            })
        {
            return false
        }
        if database.guards[project] != nil { return false }
        let placement = database.placements[project]
        switch order {
        case .start, .stop: return true
        case .backup: return placement.isProvisioned == true
        case .copy:
            return placement.isProvisioned == true || database.newest(of: project) != nil
        case .move(_, let target, let acceptsLoss):
            guard target != placement.host, database.isOnline(target) else { return false }
            if database.isOnline(placement.host) || placement.isProvisioned == false {
                return true
            }
            return acceptsLoss && database.newest(of: project) != nil
        }
    }
}
