/// Where the epochs of leases come from.
extension World {
    /// The next epoch, above all that anybody has seen.
    ///
    /// In a search it is the next above those that are remembered anywhere, so that a lease that
    /// came and went without a trace leaves the world as it was; only the order of epochs counts.
    mutating func drawEpoch() -> Int {
        guard isSearched else {
            database.epoch += 1
            return database.epoch
        }
        var highest = 0
        for operation in database.operations {
            if let lease = operation.lease { highest = max(highest, lease.epoch) }
        }
        for session in database.sessions {
            for leased in session.answer { highest = max(highest, leased.epoch, leased.guardEpoch) }
        }
        for held in database.guards { highest = max(highest, held?.epoch ?? 0) }
        for hub in hubs {
            for holding in hub.holding { highest = max(highest, holding.epoch) }
            for commit in hub.commits { highest = max(highest, commit.epoch) }
        }
        for agent in agents { highest = max(highest, highestEpoch(of: agent)) }
        for stray in strays { highest = max(highest, Self.highestEpoch(in: stray.request)) }
        return highest + 1
    }

    private func highestEpoch(of agent: Agent) -> Int {
        var highest = agent.guards.max() ?? 0
        for operation in agent.operations { highest = max(highest, operation.epoch) }
        for running in agent.running { highest = max(highest, running.epoch, running.guardEpoch) }
        for entry in agent.outbox { highest = max(highest, Self.epoch(of: entry)) }
        for call in agent.calls {
            highest = max(highest, Self.highestEpoch(in: call.request))
            guard case .leased(let leased) = call.answer else { continue }
            for lease in leased { highest = max(highest, lease.epoch, lease.guardEpoch) }
        }
        return highest
    }

    private static func epoch(of entry: Entry) -> Int {
        if case .finished(_, let epoch, _) = entry.body { epoch } else { 0 }
    }

    private static func highestEpoch(in request: Request) -> Int {
        switch request {
        case .open, .lease: 0
        case .heartbeat(_, let held, _): held.map(\.epoch).max() ?? 0
        case .reports(let entries): entries.map(epoch(of:)).max() ?? 0
        case .commit(_, let epoch, _): epoch
        }
    }
}
