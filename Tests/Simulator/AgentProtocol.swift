import Shared

/// What an agent sends, and what answers do to it.
extension World {
    /// Sends, handles and answers a request at once.
    mutating func handleAndReceive(_ host: Int, _ request: Request, _ rules: Rules) throws {
        if let answer = try handle(host, request, rules) {
            try receive(answer, to: request, host, since: 0, rules)
        } else {
            agents[host].calls.append(Call(request: request))
        }
    }

    /// A new run of the agent: recovers what its disk and ledger hold, and tells what is there.
    mutating func begin(_ host: Int, _ rules: Rules) {
        database.sessions.append(Session(node: host, leaseLeft: 0))
        agents[host].isUp = true
        agents[host].isPaused = false
        agents[host].isOpen = false
        agents[host].session = database.sessions.count - 1
        agents[host].requestNumber = 0
        recover(host)
        let present = agents[host].records.indices.compactMap { observation(host, $0, rules) }
        for observation in present {
            agents[host].records[observation.project]?.reported = observation
        }
        agents[host].append(.inventory(present))
    }

    /// The request of a slot, as the agent would send it now; nil when it has none to send.
    func request(_ host: Int, _ slot: Request.Slot, _ rules: Rules) -> Request? {
        let agent = agents[host]
        guard agent.isUp, !agent.isPaused, !agent.isBusy(slot) else { return nil }
        switch slot {
        case .open: return agent.isOpen ? nil : .open(session: agent.session)
        case .lease:
            guard agent.isOpen, agent.running.count < 3 else { return nil }
            return .lease(session: agent.session, number: agent.requestNumber)
        case .heartbeat:
            guard agent.isOpen else { return nil }
            return .heartbeat(
                session: agent.session,
                held: agent.running.map { Request.Held(operation: $0.operation, epoch: $0.epoch) },
                interrupted: agent.operations.filter { operation in
                    !operation.isSettled
                        && !agent.running.contains { $0.operation == operation.number }
                }.map(\.number))
        case .reports:
            guard agent.isOpen, !agent.outbox.isEmpty else { return nil }
            return .reports(agent.outbox)
        case .commit: return nil
        }
    }

    /// Takes an answer.
    ///
    /// - Parameter since: ticks of the agent's clock since the request was sent.
    /// - Throws: `Violation`.
    mutating func receive(
        _ answer: Answer, to request: Request, _ host: Int, since: Int, _ rules: Rules
    ) throws {
        switch (request, answer) {
        case (.open, .opened(let applied)):
            try invariant(
                "I4",
                OutboxRules.isWhole(
                    applied: Int64(applied), last: Int64(agents[host].lastSequence)),
                "the hub has applied report \(applied) of host \(host), whose last is "
                    + "\(agents[host].lastSequence)")
            agents[host].isOpen = true
            try remove(upTo: applied, host, rules)
        case (.lease, .leased(let leased)):
            agents[host].requestNumber += 1
            for lease in leased { accept(lease, host, since: since, rules) }
        case (.heartbeat(_, let held, _), .beaten(let canceled, let lost, let ended)):
            apply(canceled, lost, held, host, since: since)
            for operation in ended { leaveBehind(operation, host) }
        case (.reports(let entries), .applied(let applied)):
            try acknowledge(entries, applied, host, rules)
        case (.commit(let operation, let epoch, let content), _):
            committed(operation, epoch, content, answer, host, rules)
        case (.open, .sessionEnded) where !rules.has(.sessionKept):
            database.sessions.append(Session(node: host, leaseLeft: 0))
            agents[host].session = database.sessions.count - 1
        case (_, .sessionEnded): agents[host].isOpen = false
        default: break
        }
    }

    private mutating func acknowledge(
        _ entries: [Entry], _ applied: Int, _ host: Int, _ rules: Rules
    ) throws {
        guard let first = entries.first, let last = entries.last,
            let through = OutboxRules.acknowledged(
                applied: Int64(applied), first: Int64(first.sequence), last: Int64(last.sequence))
        else { return }
        if rules.has(.ackBySubject) {
            let operations = database.operations
            let subjects = entries.map { $0.project { operations[$0].project } }
            let rest = agents[host].outbox.filter { entry in
                subjects.contains(entry.project { operations[$0].project })
            }
            try invariant(
                "I4", rest.allSatisfy { $0.sequence <= database.applied[host] },
                "host \(host) removes a report that was not applied")
            agents[host].outbox.removeAll { rest.contains($0) }
            return
        }
        try remove(upTo: Int(through), host, rules)
    }

    private mutating func remove(upTo sequence: Int, _ host: Int, _ rules: Rules) throws {
        try invariant(
            "I4", sequence <= database.applied[host] || agents[host].outbox.isEmpty,
            "host \(host) removes reports up to \(sequence), and "
                + "\(database.applied[host]) are applied")
        agents[host].outbox.removeAll { $0.sequence <= sequence }
    }

    // MARK: Leases, by the product's table

    private func table(_ host: Int) -> LeaseTable {
        var table = LeaseTable()
        for running in agents[host].running {
            _ = table.begin(
                Names.id(running.operation), epoch: Int64(running.epoch), guardEpoch: nil,
                project: Names.id(running.project), fence: Self.fence(since: running.since))
        }
        return table
    }

    private static let start = ContinuousClock.now

    /// A fence whose renewal was sent so many ticks before `start`.
    private static func fence(since: Int, lease: Int = 1) -> LeaseFence {
        LeaseFence(renewedAt: start - .seconds(since), lease: .seconds(lease))
    }

    private mutating func accept(_ lease: Leased, _ host: Int, since: Int, _ rules: Rules) {
        var table = table(host)
        let project = database.operations[lease.operation].project
        let admission = table.begin(
            Names.id(lease.operation), epoch: Int64(lease.epoch),
            guardEpoch: lease.guardEpoch > 0 ? Int64(lease.guardEpoch) : nil,
            project: Names.id(project), fence: Self.fence(since: since))
        for lost in admission.lost { stop(Names.number(lost), .leaseLost, host) }
        guard admission.begins else { return }
        agents[host].running.append(
            Running(
                operation: lease.operation, epoch: lease.epoch, guardEpoch: lease.guardEpoch,
                project: project, since: rules.has(.leaseFromAnswer) ? 0 : since))
    }

    private mutating func apply(
        _ canceled: [Int], _ lost: [Int], _ held: [Request.Held], _ host: Int, since: Int
    ) {
        var table = table(host)
        let stops = table.apply(
            HeartbeatAnswer(
                canceled: canceled.map { Names.id($0) }, lost: lost.map { Names.id($0) }),
            to: held.map { HeldLease(operation: Names.id($0.operation), epoch: Int64($0.epoch)) },
            sentAt: Self.start - .seconds(since))
        for (operation, reason) in stops {
            stop(Names.number(operation), reason == .canceled ? .canceled : .leaseLost, host)
        }
        for index in agents[host].running.indices {
            let id: OperationID = Names.id(agents[host].running[index].operation)
            guard let renewed = table.leases[id]?.fence.renewedAt else { continue }
            agents[host].running[index].since = Int((Self.start - renewed) / .seconds(1))
        }
    }

    mutating func stop(_ operation: Int, _ reason: Running.Stop, _ host: Int) {
        for index in agents[host].running.indices
        where agents[host].running[index].operation == operation
            && agents[host].running[index].stop == .no
        {
            agents[host].running[index].stop = reason
        }
    }

    /// Whether the product's fence stops an operation now.
    func mustStop(_ running: Running, _ rules: Rules) -> Bool {
        guard rules.options.lease > 0 else { return false }
        if rules.has(.leaseFromAnswer) { return running.since >= rules.lease }
        return Self.fence(since: running.since, lease: rules.lease).mustStop(at: Self.start)
    }

    // MARK: What operations leave

    /// An operation has ended elsewhere: nothing of it stays in staging.
    mutating func leaveBehind(_ operation: Int, _ host: Int) {
        guard let index = agents[host].operation(operation),
            !agents[host].running.contains(where: { $0.operation == operation })
        else { return }
        cleanUp(operation, host)
        agents[host].operations[index].isSettled = true
        agents[host].operations[index].journal = .none
    }

    /// As `StagingCleanup.remove`.
    mutating func cleanUp(_ operation: Int, _ host: Int) {
        finishIfPlaced(operation, host)
        removeStaged(host) { $0 == operation }
        if let index = agents[host].operation(operation) {
            agents[host].operations[index].journal = .none
        }
    }

    /// As `StagingCleanup.recover`.
    private mutating func recover(_ host: Int) {
        for operation in agents[host].operations { finishIfPlaced(operation.number, host) }
        let kept = agents[host].operations.filter { $0.journal != .none && $0.outcome < 0 }
            .map(\.number)
        removeStaged(host) { !kept.contains($0) }
    }

    private mutating func removeStaged(_ host: Int, _ isDue: (Int) -> Bool) {
        let volumes = agents[host].records.compactMap {
            $0?.isPresent == true ? $0?.subvolume : nil
        }
        agents[host].staged.removeAll {
            isDue($0.operation) && !volumes.contains($0.volume.subvolume)
        }
        agents[host].stagedBases.removeAll { isDue($0.operation) }
    }
}
