import Shared

/// What each step does.
extension World {
    /// Takes a step.
    ///
    /// - Throws: `Violation`.
    mutating func apply(_ step: Step, _ rules: Rules) throws {
        switch step {
        case .order: try giveOrder(rules)
        case .orderChecked:
            guard !truth.checked.isEmpty else { return }
            try order(truth.checked.removeFirst(), rules, isChecked: true)
        case .cancel(let operation):
            budget.cancels -= 1
            try cancel(operation, rules)
        case .forget(let backup):
            budget.forgets -= 1
            database.backups[backup]?.isForgotten = true
            bucket.snapshots.removeAll { $0.backup == backup }
        case .write(let host, let project):
            budget.writes -= 1
            write(host, project)
        case .straggle(let host, let project):
            budget.stragglers -= 1
            write(host, project)
        case .claim, .run, .commit, .beat, .crashHub, .skew: try applyHub(step, rules)
        case .takeBack(let operation):
            if let lease = database.operations[operation].lease {
                try takeBack(operation, epoch: lease.epoch, rules)
            }
        case .wake(let operation): database.operations[operation].place = .ready
        case .expire(let session):
            budget.expiries -= 1
            database.sessions[session].leaseLeft = 0
        case .lapse(let session): database.sessions[session].leaseLeft = 0
        case .expireCopy(let copy): endCopy(copy, .expired)
        case .call, .send, .handle, .receive, .giveUp, .stray: try applyNetwork(step, rules)
        case .work, .fail, .failForGood, .fence, .observe, .crash, .restart, .pause, .resume:
            try applyAgent(step, rules)
        case .tick(let slow): tick(slow)
        }
        try check(rules)
    }

    private mutating func giveOrder(_ rules: Rules) throws {
        let number = ordered
        ordered += 1
        let order = rules.options.orders[number]
        guard rules.has(.selectThenInsert), case .move(let project, _, _) = order,
            isAccepted(order, .move, project, rules)
        else {
            try self.order(number, rules)
            return
        }
        // Two hubs look at once, and both find that the project is free.
        truth.checked.append(number)
    }

    private mutating func write(_ host: Int, _ project: Int) {
        truth.lastWrite[project] += 1
        agents[host].volumes[project]?.content.version = truth.lastWrite[project]
        agents[host].volumes[project]?.transid += 1
        let placement = database.placements[project]
        if placement.host == host, placement.generation == agents[host].records[project]?.generation
        {
            truth.lastPlacedWrite[project] = truth.lastWrite[project]
        } else {
            truth.strayWrites[quarantineIndex(host, project)] = truth.lastWrite[project]
        }
    }

    // MARK: Hubs

    private mutating func applyHub(_ step: Step, _ rules: Rules) throws {
        switch step {
        case .claim(let hub, let operation):
            guard let lease = claim(operation, hubs[hub].session) else { return }
            hubs[hub].holding.append(
                HubProcess.Holding(operation: operation, epoch: lease.epoch))
        case .run(let hub, let operation, let isAnswerLost):
            guard let holding = hubs[hub].holding.first(where: { $0.operation == operation }) else {
                return
            }
            try run(operation, epoch: holding.epoch, rules)
            if isAnswerLost {
                budget.lostCommits -= 1
            } else {
                hubs[hub].holding.removeAll { $0 == holding }
            }
        case .commit(let hub, let index): try self.step(commit: index, of: hub, rules)
        case .beat(let hub): try beat(hub, rules)
        case .crashHub(let hub):
            budget.hubCrashes -= 1
            hubs[hub].holding = []
            let commits = hubs[hub].commits
            hubs[hub].commits = []
            // Whoever waits for a commit sees its connection break.
            for commit in commits { breakCommit(commit) }
            openHub(hub, rules)
        case .skew(let hub):
            budget.skews -= 1
            hubs[hub].skew = rules.lease
        default: break
        }
    }

    private mutating func breakCommit(_ commit: HubProcess.Commit) {
        for index in agents[commit.host].running.indices
        where agents[commit.host].running[index].operation == commit.operation
            && agents[commit.host].running[index].stage == .commit
        {
            agents[commit.host].running[index].stage = .upload
        }
        agents[commit.host].calls.removeAll { $0.request.slot == .commit(commit.operation) }
    }

    mutating func openHub(_ hub: Int, _ rules: Rules) {
        database.sessions.append(Session(node: -1 - hub, leaseLeft: rules.lease))
        hubs[hub].session = database.sessions.count - 1
    }

    private mutating func beat(_ hub: Int, _ rules: Rules) throws {
        let session = hubs[hub].session
        guard database.sessions[session].isOpen else {
            hubs[hub].holding = []
            openHub(hub, rules)
            return
        }
        database.sessions[session].leaseLeft = rules.lease
        for operation in database.operations.indices {
            guard case .running(var lease) = database.operations[operation].place,
                lease.session == session
            else { continue }
            let isListed = hubs[hub].holding.contains {
                $0.operation == operation && $0.epoch == lease.epoch
            }
            lease.missed = isListed ? 0 : lease.missed + 1
            database.operations[operation].place = .running(lease)
            if lease.missed >= 2 { try takeBack(operation, epoch: lease.epoch, rules) }
        }
    }

    // MARK: The network

    private mutating func applyNetwork(_ step: Step, _ rules: Rules) throws {
        switch step {
        case .call(let host, let slot, let fate):
            guard let request = request(host, slot, rules) else { return }
            try call(host, request, fate, rules)
        case .send(let host, let slot):
            guard let request = request(host, slot, rules) else { return }
            agents[host].calls.append(Call(request: request))
        case .handle(let host, let index, let fate):
            let request = agents[host].calls[index].request
            let answer = try handle(host, request, fate, rules)
            if fate == .repeated { strays.append(Stray(host: host, request: request)) }
            if let answer { agents[host].calls[index].answer = answer }
        case .receive(let host, let index):
            let call = agents[host].calls.remove(at: index)
            guard let answer = call.answer else { return }
            try receive(answer, to: call.request, host, since: call.since, rules)
        case .giveUp(let host, let index, let isLate):
            budget.losses -= 1
            let call = agents[host].calls.remove(at: index)
            if case .commit(let operation, _, _) = call.request {
                for index in agents[host].running.indices
                where agents[host].running[index].operation == operation
                    && agents[host].running[index].stage == .commit
                {
                    agents[host].running[index].stage = .upload
                }
            }
            if isLate {
                budget.lateRequests -= 1
                strays.append(Stray(host: host, request: call.request))
            }
        case .stray(let index):
            let stray = strays.remove(at: index)
            _ = try handle(stray.host, stray.request, rules)
        default: break
        }
    }

    private mutating func call(
        _ host: Int, _ request: Request, _ fate: Step.Fate, _ rules: Rules
    ) throws {
        switch fate {
        case .done: try handleAndReceive(host, request, rules)
        case .lost: budget.losses -= 1
        case .answerLost:
            budget.losses -= 1
            _ = try handle(host, request, rules)
        case .late:
            budget.lateRequests -= 1
            strays.append(Stray(host: host, request: request))
        case .repeated:
            budget.lateRequests -= 1
            try handleAndReceive(host, request, rules)
            strays.append(Stray(host: host, request: request))
        case .notCommitted:
            if let answer = try handle(host, request, fate, rules) {
                try receive(answer, to: request, host, since: 0, rules)
            }
        }
    }

    /// Handles a request whose transaction may fail at its commit.
    private mutating func handle(
        _ host: Int, _ request: Request, _ fate: Step.Fate, _ rules: Rules
    ) throws -> Answer? {
        if fate == .repeated { budget.lateRequests -= 1 }
        guard fate == .notCommitted else { return try handle(host, request, rules) }
        budget.lostCommits -= 1
        let before = database
        let truth = truth
        let answer = try handle(host, request, rules)
        database = before
        self.truth = truth
        // Right: no answer before the commit.
        return rules.has(.ackBeforeCommit) ? answer : nil
    }

    // MARK: Agents

    private mutating func applyAgent(_ step: Step, _ rules: Rules) throws {
        switch step {
        case .work(let host, let operation):
            guard let index = agents[host].running.firstIndex(where: { $0.operation == operation })
            else { return }
            try self.step(index, on: host, rules)
        case .fail(let host, let operation):
            budget.failures -= 1
            guard let running = agents[host].running.first(where: { $0.operation == operation })
            else { return }
            agents[host].calls.removeAll { $0.request.slot == .commit(operation) }
            fail("injected", running, host, rules, .retryable)
        case .failForGood(let host, let operation):
            budget.ruins -= 1
            guard let running = agents[host].running.first(where: { $0.operation == operation })
            else { return }
            fail("injected", running, host, rules, .terminal)
        case .fence(let host, let operation): stop(operation, .leaseExpired, host)
        case .observe(let host, let project):
            if let seen = observation(host, project, rules) {
                agents[host].records[project]?.reported = seen
                agents[host].append(.volume(seen))
            }
        case .crash(let host):
            budget.crashes -= 1
            agents[host].isUp = false
            agents[host].isOpen = false
            agents[host].running = []
            agents[host].calls = []
        case .restart(let host): begin(host, rules)
        case .pause(let host):
            budget.pauses -= 1
            agents[host].isPaused = true
        case .resume(let host): agents[host].isPaused = false
        default: break
        }
    }

    private mutating func tick(_ slow: Int) {
        if slow >= 0 { budget.skews -= 1 }
        for session in database.sessions.indices where database.sessions[session].leaseLeft > 0 {
            database.sessions[session].leaseLeft -= 1
        }
        for host in agents.indices where host != slow {
            for index in agents[host].running.indices { agents[host].running[index].since += 1 }
            for index in agents[host].calls.indices { agents[host].calls[index].since += 1 }
        }
    }
}
