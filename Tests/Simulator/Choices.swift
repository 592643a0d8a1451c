import Shared

/// Which steps are possible.
extension World {
    /// Everything that may happen next, in one order for equal worlds.
    func steps(_ rules: Rules) -> [Step] {
        var steps: [Step] = []
        addPeople(&steps, rules)
        addHubs(&steps, rules)
        addSweep(&steps, rules)
        for host in agents.indices { addAgent(host, &steps, rules) }
        for index in strays.indices { steps.append(.stray(index)) }
        if rules.options.lease > 0 { addTime(&steps, rules) }
        return steps
    }

    private func addPeople(_ steps: inout [Step], _ rules: Rules) {
        if !truth.checked.isEmpty { steps.append(.orderChecked) }
        if isCalm { return }
        if ordered < rules.options.orders.count { steps.append(.order) }
        if budget.cancels > 0 {
            for operation in database.operations.indices {
                let body = database.operations[operation]
                if body.parent < 0, body.isLive, !body.isCanceled {
                    steps.append(.cancel(operation: operation))
                }
            }
        }
        if budget.forgets > 0 {
            for backup in database.backups.indices where mayForget(backup) {
                steps.append(.forget(backup: backup))
            }
        }
        for host in agents.indices {
            for project in database.placements.indices {
                guard let volume = agents[host].volumes[project] else { continue }
                if budget.writes > 0, agents[host].runs[project], !volume.isReadOnly {
                    steps.append(.write(host: host, project: project))
                }
                let isBackedUp = agents[host].running.contains {
                    $0.project == project
                        && $0.stage.rawValue >= Running.Stage.noteSnapshot.rawValue
                        && $0.stage.rawValue <= Running.Stage.noteBase.rawValue
                }
                if budget.stragglers > 0, volume.isReadOnly, isBackedUp {
                    steps.append(.straggle(host: host, project: project))
                }
            }
        }
    }

    private func addHubs(_ steps: inout [Step], _ rules: Rules) {
        for hub in hubs.indices {
            let isOpen = database.sessions[hubs[hub].session].isOpen
            for operation in database.operations.indices where isOpen {
                let body = database.operations[operation]
                if body.lane < 0, body.place == .ready {
                    steps.append(.claim(hub: hub, operation: operation))
                }
            }
            for holding in hubs[hub].holding {
                steps.append(
                    .run(hub: hub, operation: holding.operation, isAnswerLost: false))
                if budget.lostCommits > 0, !isCalm {
                    steps.append(
                        .run(hub: hub, operation: holding.operation, isAnswerLost: true))
                }
            }
            for index in hubs[hub].commits.indices {
                steps.append(.commit(hub: hub, index: index))
            }
            let hasForgotten = database.operations.contains { operation in
                guard let lease = operation.lease, lease.session == hubs[hub].session else {
                    return false
                }
                return !hubs[hub].holding.contains { $0.epoch == lease.epoch }
            }
            if rules.options.lease > 0 || hasForgotten || !isOpen { steps.append(.beat(hub: hub)) }
            if budget.hubCrashes > 0, !isCalm { steps.append(.crashHub(hub)) }
            if budget.skews > 0, !isCalm { steps.append(.skew(hub: hub)) }
        }
    }

    private func addSweep(_ steps: inout [Step], _ rules: Rules) {
        for operation in database.operations.indices {
            switch database.operations[operation].place {
            case .ready, .ended: break
            case .delayed: steps.append(.wake(operation: operation))
            case .waiting(let isTimed, _):
                if isTimed { steps.append(.wake(operation: operation)) }
            case .running(let lease):
                let session = database.sessions[lease.session]
                let isWrong =
                    rules.has(.wallClockLease)
                    && hubs.contains { $0.skew >= session.leaseLeft && $0.skew > 0 }
                if !session.isOpen || isWrong { steps.append(.takeBack(operation: operation)) }
            }
        }
        if budget.expiries > 0, !isCalm {
            for session in database.sessions.indices where database.sessions[session].isOpen {
                steps.append(.expire(session: session))
            }
        }
        if rules.options.lease == 0 {
            for session in database.sessions.indices where database.sessions[session].isOpen {
                let isOwned =
                    hubs.contains { $0.session == session }
                    || agents.contains { $0.isUp && $0.session == session }
                if !isOwned { steps.append(.lapse(session: session)) }
            }
        }
        if isCalm {
            for copy in database.copies.indices where database.copies[copy].state == .pending {
                let project = database.copies[copy].destination
                if database.placements[project].isProvisioned != true {
                    steps.append(.expireCopy(copy))
                }
            }
        }
    }

    private func addAgent(_ host: Int, _ steps: inout [Step], _ rules: Rules) {
        let agent = agents[host]
        guard agent.isUp else {
            steps.append(.restart(host: host))
            return
        }
        if budget.crashes > 0, !isCalm { steps.append(.crash(host: host)) }
        if agent.isPaused {
            steps.append(.resume(host: host))
            addCalls(host, &steps, rules)
            return
        }
        if budget.pauses > 0, !isCalm { steps.append(.pause(host: host)) }
        for running in agent.running {
            if running.stop == .no, mustStop(running, rules) {
                steps.append(.fence(host: host, operation: running.operation))
            }
            if running.stage != .commit || running.stop != .no {
                let isHeld = running.stage == .enter && !agent.isGateFree(running)
                if !isHeld || running.stop != .no {
                    steps.append(.work(host: host, operation: running.operation))
                }
            }
            if budget.failures > 0, !isCalm, running.stage.rawValue > 0, running.stop == .no,
                running.stage.rawValue < Running.Stage.observe.rawValue
            {
                steps.append(.fail(host: host, operation: running.operation))
            }
            if budget.ruins > 0, !isCalm, running.stage == .apply, running.stop == .no {
                steps.append(.failForGood(host: host, operation: running.operation))
            }
        }
        for project in agent.records.indices {
            guard let seen = observation(host, project, rules),
                agent.records[project]?.reported != seen
            else { continue }
            steps.append(.observe(host: host, project: project))
        }
        addCalls(host, &steps, rules)
    }

    private func addCalls(_ host: Int, _ steps: inout [Step], _ rules: Rules) {
        for index in agents[host].calls.indices {
            let call = agents[host].calls[index]
            if call.answer != nil {
                if !agents[host].isPaused { steps.append(.receive(host: host, index: index)) }
            } else if call.request.slot != .commit(-1) {
                if !isCommitUnderWay(host, call) {
                    steps.append(.handle(host: host, index: index, fate: .done))
                    if !isCalm {
                        if budget.lateRequests > 0 {
                            steps.append(.handle(host: host, index: index, fate: .repeated))
                        }
                        if budget.lostCommits > 0, case .reports = call.request {
                            steps.append(.handle(host: host, index: index, fate: .notCommitted))
                        }
                    }
                }
            }
            if budget.losses > 0, !isCalm, !agents[host].isPaused {
                steps.append(.giveUp(host: host, index: index, isLate: false))
                if budget.lateRequests > 0, call.answer == nil {
                    steps.append(.giveUp(host: host, index: index, isLate: true))
                }
            }
        }
        for slot in [Request.Slot.open, .lease, .heartbeat, .reports] {
            guard isUseful(slot, host, rules), request(host, slot, rules) != nil else { continue }
            guard rules.options.isDirect else {
                steps.append(.send(host: host, slot: slot))
                continue
            }
            steps.append(.call(host: host, slot: slot, fate: .done))
            if isCalm { continue }
            if budget.losses > 0 {
                steps.append(.call(host: host, slot: slot, fate: .answerLost))
            }
            if budget.lateRequests > 0 {
                steps.append(.call(host: host, slot: slot, fate: .late))
                steps.append(.call(host: host, slot: slot, fate: .repeated))
            }
            if budget.lostCommits > 0, slot == .reports {
                steps.append(.call(host: host, slot: slot, fate: .notCommitted))
            }
        }
    }

    private func isCommitUnderWay(_ host: Int, _ call: Call) -> Bool {
        guard case .commit(let operation, let epoch, let content) = call.request else {
            return false
        }
        return hubs.contains { hub in
            hub.commits.contains {
                $0.host == host && $0.operation == operation && $0.epoch == epoch
                    && $0.content == content
            }
        }
    }

    /// Whether a request could change anything; the others are left out of the search.
    private func isUseful(_ slot: Request.Slot, _ host: Int, _ rules: Rules) -> Bool {
        let agent = agents[host]
        switch slot {
        case .open, .reports, .commit: return true
        case .lease:
            let session = database.sessions[agent.session]
            return !session.isOpen || session.request == agent.requestNumber
                || database.operations.contains { $0.lane == host && $0.place == .ready }
        case .heartbeat:
            let session = database.sessions[agent.session]
            if !session.isOpen || rules.options.lease > 0 { return true }
            let isForgotten = database.operations.indices.contains { number in
                guard let lease = database.operations[number].lease,
                    lease.session == agent.session
                else { return false }
                return !agent.running.contains { $0.epoch == lease.epoch }
            }
            let hasNews = agent.running.contains { running in
                guard running.stop == .no else { return false }
                let body = database.operations[running.operation]
                return body.isCanceled || body.lease?.epoch != running.epoch
            }
            let isLeft = agent.operations.contains { operation in
                !operation.isSettled && !database.operations[operation.number].isLive
                    && !agent.running.contains { $0.operation == operation.number }
            }
            return isForgotten || hasNews || isLeft
        }
    }

    private func addTime(_ steps: inout [Step], _ rules: Rules) {
        // Timers of a process that is not stopped fire before time goes on.
        let isUrgent = agents.contains { agent in
            agent.isUp && !agent.isPaused
                && agent.running.contains { $0.stop == .no && mustStop($0, rules) }
        }
        if isUrgent { return }
        steps.append(.tick(slow: -1))
        if budget.skews > 0, !isCalm { steps += agents.indices.map { .tick(slow: $0) } }
    }
}
