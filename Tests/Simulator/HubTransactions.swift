import Shared

/// The hub's transactions that agents ask for; each is one step.
extension World {
    /// Handles a request of a host.
    ///
    /// - Returns: nil when the answer comes later.
    /// - Throws: `Violation`.
    mutating func handle(_ host: Int, _ request: Request, _ rules: Rules) throws -> Answer? {
        switch request {
        case .open(let session): return openSession(host, session, rules)
        case .lease(let session, let number): return try lease(session, number, host, rules)
        case .heartbeat(let session, let held, let interrupted):
            return try heartbeat(session, held, interrupted, rules)
        case .reports(let entries): return try apply(entries, of: host, rules)
        case .commit(let operation, let epoch, let content):
            let hub = (operation + epoch) % hubs.count
            let commit = HubProcess.Commit(
                host: host, operation: operation, epoch: epoch, content: content)
            if !hubs[hub].commits.contains(commit) { hubs[hub].commits.append(commit) }
            return nil
        }
    }

    /// Opens a session and ends the host's others; their leases are taken back by the sweep.
    private mutating func openSession(_ host: Int, _ number: Int, _ rules: Rules) -> Answer {
        guard !database.sessions[number].hasEnded else { return .sessionEnded }
        database.sessions[number].leaseLeft = rules.lease
        database.sessions[number].isKnown = true
        for other in database.sessions.indices
        where other != number && database.sessions[other].node == host
            && database.sessions[other].isKnown
        {
            database.sessions[other].hasEnded = true
            database.sessions[other].answer = []
        }
        return .opened(applied: database.applied[host])
    }

    private mutating func lease(
        _ number: Int, _ request: Int, _ host: Int, _ rules: Rules
    ) throws -> Answer {
        guard database.sessions[number].isOpen else { return .sessionEnded }
        if !rules.has(.leaseDoesNotRenew) { database.sessions[number].leaseLeft = rules.lease }
        if database.sessions[number].request == request {
            return .leased(database.sessions[number].answer)
        }
        var leased: [Leased] = []
        for operation in database.operations.indices
        where database.operations[operation].lane == host {
            guard let lease = claim(operation, number) else { continue }
            leased.append(lease)
            let copy = database.operations[operation].copy
            if copy >= 0 {
                try invariant(
                    "I9", !truth.superseded.contains(copy),
                    "copy \(copy) is given out although it was superseded")
            }
            if copy >= 0, database.copies[copy].state == .pending {
                setCopy(copy, .applying)
            }
            break
        }
        if !leased.isEmpty {
            database.sessions[number].request = request
            database.sessions[number].answer = leased
        }
        return .leased(leased)
    }

    /// Ready → run, under a new epoch; nil when it is not ready, or a guard keeps it back.
    mutating func claim(_ operation: Int, _ session: Int) -> Leased? {
        let body = database.operations[operation]
        guard body.place == .ready else { return nil }
        let holder = database.guards[body.project]
        if body.copy >= 0, let holder, holder.operation != body.root { return nil }
        let attempt = body.attempts + 1
        let epoch = drawEpoch()
        database.operations[operation].attempts = attempt
        database.operations[operation].place = .running(
            Operation.Lease(epoch: epoch, session: session, attempt: attempt))
        return Leased(
            operation: operation, epoch: epoch,
            guardEpoch: holder?.operation == body.root ? holder?.epoch ?? 0 : 0, attempt: attempt)
    }

    private mutating func heartbeat(
        _ number: Int, _ held: [Request.Held], _ interrupted: [Int], _ rules: Rules
    ) throws -> Answer {
        guard database.sessions[number].isOpen else { return .sessionEnded }
        database.sessions[number].leaseLeft = rules.lease
        var canceled: [Int] = []
        for operation in database.operations.indices {
            guard case .running(var lease) = database.operations[operation].place,
                lease.session == number
            else { continue }
            let isListed = held.contains { $0.operation == operation && $0.epoch == lease.epoch }
            lease.missed = isListed ? 0 : lease.missed + 1
            database.operations[operation].place = .running(lease)
            if database.operations[operation].isCanceled { canceled.append(operation) }
        }
        let lost = held.filter {
            database.holder(of: $0.operation, epoch: $0.epoch)?.session != number
        }.map(\.operation)
        for operation in database.operations.indices {
            guard case .running(let lease) = database.operations[operation].place,
                lease.session == number, lease.missed >= 2
            else { continue }
            try takeBack(operation, epoch: lease.epoch, rules)
        }
        return .beaten(
            canceled: canceled, lost: lost,
            ended: interrupted.filter { !database.operations[$0].isLive })
    }

    // MARK: Reports

    private mutating func apply(
        _ entries: [Entry], of host: Int, _ rules: Rules
    ) throws -> Answer {
        let applied = database.applied[host]
        for entry in due(entries, after: applied, rules) {
            try invariant(
                "I4", entry.sequence == truth.applied[host] + 1,
                "report \(entry.sequence) of host \(host) is applied behind "
                    + "\(truth.applied[host])")
            truth.applied[host] = entry.sequence
            database.applied[host] = max(database.applied[host], entry.sequence)
            try apply(entry.body, of: host, rules)
        }
        return .applied(database.applied[host])
    }

    /// The product's rule decides which of a batch are applied.
    private func due(_ entries: [Entry], after applied: Int, _ rules: Rules) -> [Entry] {
        if rules.has(.appliedTwice) { return entries }
        if rules.has(.gapIgnored) { return entries.filter { $0.sequence > applied } }
        let reports = entries.map {
            Report(
                sequence: Int64($0.sequence), time: Names.time(0),
                content: .volumeGone(Names.id(0)))
        }
        let due = Set(ReportOrder.due(reports, after: Int64(applied)).map(\.sequence))
        return entries.filter { due.contains(Int64($0.sequence)) }
    }

    private mutating func apply(_ body: ReportBody, of host: Int, _ rules: Rules) throws {
        switch body {
        case .finished(let operation, let epoch, let outcome):
            let isFenced = database.isFenced(operation, epoch: epoch, host: host)
            let overwrites =
                rules.has(.terminalChanges) && !database.operations[operation].isLive
            guard isFenced || rules.has(.noFence) || overwrites else { return }
            try finish(operation, epoch: epoch, outcome, rules)
        case .volume(let observation): try apply(observation, of: host, rules)
        case .gone(let project): gone(project, from: host)
        case .inventory(let observations):
            for observation in observations { try apply(observation, of: host, rules) }
            for project in database.placements.indices
            where !observations.contains(where: { $0.project == project }) {
                let placement = database.placements[project]
                let isKnown =
                    placement.host == host && placement.isProvisioned != false
                    || database.known[project]?.host == host
                    || database.isQuarantined[quarantineIndex(host, project)]
                if isKnown { gone(project, from: host) }
            }
        }
    }

    private func placement(_ project: Int) -> VolumePlacement {
        let placement = database.placements[project]
        return VolumePlacement(
            host: Names.id(placement.host), generation: Int64(placement.generation),
            isProvisioned: placement.isProvisioned, isDeleted: false,
            isGuarded: database.guards[project] != nil)
    }

    private mutating func apply(
        _ observation: Observation, of host: Int, _ rules: Rules
    ) throws {
        let project = observation.project
        let index = quarantineIndex(host, project)
        switch VolumeVerdict.of(
            generation: Int64(observation.generation), on: Names.id(host), placement(project))
        {
        case .belongs:
            database.known[project] = Known(host: host, observation: observation)
            database.isQuarantined[index] = false
            if database.placements[project].isProvisioned != true {
                database.placements[project].isProvisioned = true
                wakeCopies(into: project)
            }
        case .isGuarded: break
        case .isQuarantined: database.isQuarantined[index] = true
        }
    }

    private mutating func gone(_ project: Int, from host: Int) {
        database.isQuarantined[quarantineIndex(host, project)] = false
        guard VolumeVerdict.concerns(placement(project), goneFrom: Names.id(host)) else { return }
        if database.known[project]?.host == host { database.known[project] = nil }
        if database.placements[project].isProvisioned != false {
            database.placements[project].isProvisioned = false
            wakeCopies(into: project)
        }
    }

    func invariant(_ name: String, _ holds: Bool, _ text: @autoclosure () -> String) throws {
        if !holds { throw Violation(invariant: name, text: text()) }
    }
}
