import Shared

/// How operations come to their ends, and what follows; the product's verdicts decide.
extension World {
    /// Applies the outcome that a worker reports.
    mutating func finish(
        _ operation: Int, epoch: Int, _ outcome: Int, _ rules: Rules
    ) throws {
        let body = database.operations[operation]
        guard body.isLive || rules.has(.terminalChanges) else { return }
        if let lease = database.operations[operation].lease {
            try invariant(
                "I5", lease.epoch == epoch,
                "an effect of epoch \(epoch) of operation \(operation) after epoch \(lease.epoch)")
        }
        guard case .failed(let failure) = rules.catalogue.outcome(outcome) else {
            try end(operation, outcome, rules)
            return
        }
        let verdict = LeaseVerdict.failed(
            failure, attempt: body.attempts, maxAttempts: Self.maxAttempts,
            isCanceled: body.isCanceled)
        switch verdict {
        case .isCanceled: try end(operation, rules.catalogue.number(ChildOutcome.canceled), rules)
        case .triesAgain:
            database.operations[operation].place = .delayed
            letCopyWait(operation)
        case .fails: try end(operation, outcome, rules)
        }
    }

    /// As `OperationPolicy` has it for hosts' work.
    static let maxAttempts = 8

    /// Takes a lease back that its holder does not keep up.
    mutating func takeBack(_ operation: Int, epoch: Int, _ rules: Rules) throws {
        let body = database.operations[operation]
        guard let lease = database.holder(of: operation, epoch: epoch) else { return }
        try invariant(
            "D7", !database.sessions[lease.session].isOpen || lease.missed >= 2,
            "operation \(operation) is taken back from session \(lease.session), which holds it")
        let verdict = LeaseVerdict.takenBack(
            isWorkflow: body.kind.isWorkflow, attempt: body.attempts,
            maxAttempts: body.kind.isWorkflow ? 1000 : Self.maxAttempts,
            isCanceled: body.isCanceled)
        switch verdict {
        case .isCanceled: try end(operation, rules.catalogue.number(ChildOutcome.canceled), rules)
        case .fails: try end(operation, rules.catalogue.failure("lease-lost"), rules)
        case .triesAgain:
            letCopyWait(operation)
            database.operations[operation].place = .ready
        }
    }

    /// Writes an end, which never changes, and wakes who waits for it.
    mutating func end(_ operation: Int, _ outcome: Int, _ rules: Rules) throws {
        let body = database.operations[operation]
        try invariant("I5", body.isLive, "operation \(operation) ends twice")
        if body.parent < 0 { database.unpin(.operation(operation)) }
        if body.copy >= 0 { endApplied(body, outcome, rules) }
        database.operations[operation].place = .ended(outcome: outcome)
        if database.guards[body.project]?.operation == operation {
            database.guards[body.project] = nil
        }
        if case .canceled = rules.catalogue.outcome(outcome), body.workflow >= 0 {
            try invariant(
                "I6", !rules.catalogue.workflow(body.workflow).isCommitted,
                "operation \(operation) was canceled behind its point of no return")
        }
        if body.parent >= 0 { wake(body.parent) }
        if body.parent < 0 || body.copy >= 0 { wakeGuarded(body.project) }
    }

    mutating func wake(_ operation: Int) {
        if case .waiting = database.operations[operation].place {
            database.operations[operation].place = .ready
        }
    }

    mutating func wakeGuarded(_ project: Int) {
        for operation in database.operations.indices
        where database.operations[operation].project == project {
            if case .waiting(_, true) = database.operations[operation].place {
                database.operations[operation].place = .ready
            }
        }
    }

    // MARK: Copies

    private mutating func endApplied(_ body: Operation, _ outcome: Int, _ rules: Rules) {
        let state: OperationState
        switch rules.catalogue.outcome(outcome) {
        case .succeeded: state = .succeeded
        case .failed: state = .failed
        case .canceled: state = .canceled
        case .expired: state = .expired
        }
        var generation = -1
        if case .apply(let input) = rules.catalogue.work(body.work) {
            generation = Int(input.volume.generation)
        }
        let placement = database.placements[body.project]
        let isPlaced = placement.host == body.lane && placement.generation == generation
        switch CopyVerdict.applied(state, isPlaced: isPlaced) {
        case .ends(let state): endCopy(body.copy, Copy.State(state))
        case .isPending:
            if database.copies[body.copy].state.isOpen { setCopy(body.copy, .pending) }
        }
    }

    /// Ends a copy unless it has ended.
    mutating func endCopy(_ copy: Int, _ state: Copy.State) {
        guard database.copies[copy].state.isOpen else { return }
        setCopy(copy, state)
        // A failed copy keeps its backup until it expires (D9).
        if state != .failed { database.unpin(.copy(copy)) }
    }

    /// Every change of a copy lets its workflow go on.
    mutating func setCopy(_ copy: Int, _ state: Copy.State) {
        database.copies[copy].state = state
        wake(database.copies[copy].operation)
    }

    private mutating func letCopyWait(_ operation: Int) {
        let copy = database.operations[operation].copy
        if copy >= 0, database.copies[copy].state == .applying { setCopy(copy, .pending) }
    }

    mutating func wakeCopies(into project: Int) {
        for copy in database.copies where copy.destination == project && copy.state.isOpen {
            wake(copy.operation)
        }
    }

    // MARK: People

    /// Asks an operation to stop (D14).
    mutating func cancel(_ operation: Int, _ rules: Rules) throws {
        let body = database.operations[operation]
        guard body.isLive else { return }
        let workflow = body.workflow < 0 ? nil : rules.catalogue.workflow(body.workflow)
        let isQueued = body.lease == nil
        switch CancelVerdict.decide(isCommitted: workflow?.isCommitted, isQueued: isQueued) {
        case .isTooLate: return
        case .isTold: break
        case .endsAtOnce:
            try end(operation, rules.catalogue.number(ChildOutcome.canceled), rules)
        case .isWoken: database.operations[operation].place = .ready
        }
        database.operations[operation].isCanceled = true
        if body.kind == .move { truth.canceled.append(operation) }
    }

    /// Forgets a backup that nothing pins and that is not the newest (D9, D12).
    func mayForget(_ backup: Int) -> Bool {
        guard let row = database.backups[backup], !row.isForgotten else { return false }
        return !database.isPinned(backup) && database.newest(of: row.project) != backup
    }
}

extension Operation {
    /// The lease under which it is worked on.
    var lease: Lease? { if case .running(let lease) = place { lease } else { nil } }
}
