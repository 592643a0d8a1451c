import Shared

/// What operations do on a host, one durable change at a time, in the order of the executors.
extension World {
    /// Takes the next step of an operation that runs.
    ///
    /// - Throws: `Violation`.
    mutating func step(_ index: Int, on host: Int, _ rules: Rules) throws {
        let running = agents[host].running[index]
        switch running.stop {
        case .no: break
        case .canceled:
            // What has been done is never reported as not done.
            guard running.stage != .accept,
                running.stage.rawValue < Running.Stage.observe.rawValue
            else { break }
            cleanUp(running.operation, host)
            store(rules.catalogue.number(ChildOutcome.canceled), running, host, rules)
            forget(running, host)
            return
        case .leaseLost, .leaseExpired:
            forget(running, host)
            return
        }
        switch running.stage {
        case .accept: try accept(running, host, rules)
        case .enter: enter(running, host, rules)
        case .observe:
            if let seen = observation(host, running.project, rules),
                agents[host].records[running.project]?.reported != seen
            {
                agents[host].records[running.project]?.reported = seen
                agents[host].append(.volume(seen))
            }
            go(.finish, running, host)
        case .finish:
            store(running.outcome, running, host, rules)
            forget(running, host)
        case .commit, .upload, .snapshot, .noteSnapshot, .freeze, .noteFrozen, .noteCommitted,
            .replaceBase, .noteBase, .judge:
            try backup(running, host, rules)
        case .build, .stopReplaced, .notePublishing, .publish, .keepReplaced, .publishBase,
            .noteAppeared:
            try restore(running, host, rules)
        case .stopRuntime, .trash, .dropBase, .noteGone, .reportGone, .thaw, .noteThawed,
            .startRuntime, .create, .noteCreated, .noteApplying, .apply:
            try other(running, host, rules)
        }
    }

    /// The product decides whether the ledger accepts it.
    private mutating func accept(_ running: Running, _ host: Int, _ rules: Rules) throws {
        let body = database.operations[running.operation]
        let volume = volume(body.work, rules)
        let known = agents[host].operation(running.operation).map { index -> Acceptance.Known in
            let entry = agents[host].operations[index]
            return Acceptance.Known(
                epoch: Int64(entry.epoch), outcome: entry.outcome < 0 ? nil : outcome(entry, rules))
        }
        let lease = LeasedOperation(
            id: Names.id(running.operation), kind: body.kind, epoch: Int64(running.epoch),
            guardEpoch: running.guardEpoch > 0 ? Int64(running.guardEpoch) : nil, attempt: 1,
            input: .null)
        let highest = rules.has(.guardForgotten) ? 0 : agents[host].guards[running.project]
        let acceptance = Acceptance.decide(
            lease, volume: volume, known: known, record: record(host, running.project),
            guardEpoch: Int64(highest))
        if acceptance == .stale {
            forget(running, host)
            return
        }
        note(running, body.kind, Int(volume?.generation ?? 0), host)
        switch acceptance {
        case .stale: break
        case .run: go(.enter, running, host)
        case .answer:
            guard let index = agents[host].operation(running.operation) else { return }
            store(agents[host].operations[index].outcome, running, host, rules)
            forget(running, host)
        case .refuse(let failure):
            fail(.failed(failure), running, host, rules)
        }
    }

    private mutating func note(
        _ running: Running, _ kind: OperationKind, _ generation: Int, _ host: Int
    ) {
        if let index = agents[host].operation(running.operation) {
            agents[host].operations[index].epoch = running.epoch
        } else {
            var entry = LedgerOperation(
                number: running.operation, epoch: running.epoch, project: running.project)
            entry.generation = generation
            agents[host].operations.append(entry)
        }
        let seen = kind.raisesGuard ? running.epoch : running.guardEpoch
        agents[host].guards[running.project] = max(agents[host].guards[running.project], seen)
    }

    private func outcome(_ entry: LedgerOperation, _ rules: Rules) -> OperationOutcome {
        var outcome = OperationOutcome(
            operation: Names.id(entry.number), epoch: Int64(entry.epoch), state: .succeeded,
            result: nil, failure: nil)
        switch rules.catalogue.outcome(entry.outcome) {
        case .succeeded(let value): outcome.result = value
        case .failed(let failure):
            outcome.state = .failed
            outcome.failure = failure
        case .canceled, .expired: outcome.state = .canceled
        }
        return outcome
    }

    func volume(_ work: Int, _ rules: Rules) -> VolumeReference? {
        switch rules.catalogue.work(work) {
        case .create(let input), .thaw(let input): input.volume
        case .backup(let input): input.volume
        case .restore(let input): input.volume
        case .apply(let input): input.volume
        case .retire(let input): input.volume
        case .importTree(let input): input.volume
        case .execute(let input): input.volume
        case .startRuntime(let input), .stopRuntime(let input): input.volume
        }
    }

    /// Stores an outcome with its report: the commit point of every operation on a host.
    mutating func store(_ outcome: Int, _ running: Running, _ host: Int, _ rules: Rules) {
        guard let index = agents[host].operation(running.operation),
            agents[host].operations[index].epoch == running.epoch
        else { return }
        let product = rules.catalogue.outcome(outcome)
        var isFinal = true
        if case .failed(let failure) = product { isFinal = failure.class == .terminal }
        agents[host].operations[index].outcome = outcome
        agents[host].operations[index].journal = .none
        agents[host].operations[index].isSettled = isFinal
        agents[host].append(
            .finished(operation: running.operation, epoch: running.epoch, outcome: outcome))
    }

    mutating func forget(_ running: Running, _ host: Int) {
        agents[host].running.removeAll { $0.operation == running.operation }
        agents[host].calls.removeAll { $0.request.slot == .commit(running.operation) }
    }

    mutating func go(_ stage: Running.Stage, _ running: Running, _ host: Int) {
        for index in agents[host].running.indices
        where agents[host].running[index].operation == running.operation {
            agents[host].running[index].stage = stage
        }
    }

    /// It is done, but for saying so.
    mutating func succeed(_ outcome: Int, _ running: Running, _ host: Int) {
        for index in agents[host].running.indices
        where agents[host].running[index].operation == running.operation {
            agents[host].running[index].outcome = outcome
            agents[host].running[index].stage = .observe
        }
    }

    mutating func fail(
        _ outcome: ChildOutcome, _ running: Running, _ host: Int, _ rules: Rules
    ) {
        if case .failed(let failure) = outcome, failure.class == .terminal {
            cleanUp(running.operation, host)
        }
        succeed(rules.catalogue.number(outcome), running, host)
    }

    mutating func fail(
        _ code: String, _ running: Running, _ host: Int, _ rules: Rules,
        _ class: Failure.Class = .terminal
    ) {
        let failure = Failure(code: code, message: code, class: `class`)
        fail(.failed(failure), running, host, rules)
    }

    // MARK: What is known of volumes

    /// The ledger's record as the product has it.
    func record(_ host: Int, _ project: Int) -> VolumeRecord? {
        guard let record = agents[host].records[project] else { return nil }
        var base: VolumeRecord.Base?
        if let known = record.base {
            base = VolumeRecord.Base(
                backup: Names.backup(known.backup, project, known.content),
                filesystem: Names.id(host), subvolume: "\(known.subvolume)",
                coveredTransid: Int64(known.covered))
        }
        var product = VolumeRecord(
            project: Names.id(project), generation: Int64(record.generation), uid: 1, gid: 1)
        product.isPresent = record.isPresent
        product.isFrozen = record.isFrozen
        product.subvolume = "\(record.subvolume)"
        product.base = base
        return product
    }

    /// What is to be said of a volume; nil when it is not here.
    func observation(_ host: Int, _ project: Int, _ rules: Rules) -> Observation? {
        guard let record = agents[host].records[project], record.isPresent,
            let volume = agents[host].volumes[project]
        else { return nil }
        let freshness = VolumeRules.freshness(
            transid: Int64(volume.transid), subvolume: "\(volume.subvolume)",
            filesystem: Names.id(host), base: self.record(host, project)?.base)
        return Observation(
            project: project, generation: record.generation, transid: volume.transid,
            covered: record.base?.covered ?? -1, base: record.base?.backup ?? -1,
            subvolume: volume.subvolume,
            freshness: freshness == .fresh ? 0 : freshness == .dirty ? 1 : 2,
            isRunning: agents[host].runs[project], isFrozen: volume.isReadOnly)
    }

    /// Why an order cannot use a volume (the product's rule); nil when it can.
    func refusal(_ running: Running, _ host: Int, _ rules: Rules) -> Failure? {
        guard let volume = volume(database.operations[running.operation].work, rules) else {
            return nil
        }
        return VolumeRules.refusal(
            of: volume, record(host, running.project), at: "its place",
            exists: agents[host].volumes[running.project] != nil)
    }
}
