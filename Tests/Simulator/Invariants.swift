import Shared

/// The invariants that hold at every moment, one function each; those of single steps are beside
/// them.
extension World {
    func check(_ rules: Rules) throws {
        try acknowledgedIsRestorable()
        try freshnessIsNotHigh()
        try copiesKeepTheirBackups()
        try guardsAreOne()
        try movesAreGuarded(rules)
        try nothingIsLost()
        try strayWritesAreKept()
        try removalsAreTold(rules)
        try oneWriter()
        try leasesAreFenced(rules)
        try copiesAreOrdered()
    }

    /// I2, D2: what is recorded is in the bucket, whole.
    private func acknowledgedIsRestorable() throws {
        for number in database.backups.indices {
            guard let backup = database.backups[number], !backup.isForgotten else { continue }
            let object = Bucket.Object(project: backup.project, content: backup.content)
            let file = Bucket.SnapshotFile(backup: number, object: object)
            try invariant(
                "I2",
                bucket.packs.contains(object) && bucket.indexed.contains(object)
                    && bucket.snapshots.contains(file),
                "backup \(number) is acknowledged, and cannot be restored")
        }
    }

    /// I3, D3: where a volume counts as fresh, its backup holds all of it.
    private func freshnessIsNotHigh() throws {
        for host in agents.indices {
            for project in agents[host].records.indices {
                guard let record = agents[host].records[project], let base = record.base,
                    let volume = agents[host].volumes[project], record.isPresent,
                    base.subvolume == volume.subvolume, base.covered == volume.transid
                else { continue }
                try invariant(
                    "I3", base.content == volume.content,
                    "project \(project) is fresh on host \(host), and its base is not its content")
            }
        }
    }

    /// I8, D9: the backup of a copy that has not ended, or that has failed, is not forgotten.
    private func copiesKeepTheirBackups() throws {
        for copy in database.copies.indices
        where database.copies[copy].state.isOpen || database.copies[copy].state == .failed {
            let backup = database.copies[copy].backup
            try invariant(
                "I8", database.backups[backup]?.isForgotten == false,
                "copy \(copy) is \(database.copies[copy].state), and its backup \(backup) is gone")
        }
    }

    /// I7: a guard is held by a living operation, and no two moves of a project hold it at once.
    private func guardsAreOne() throws {
        for project in database.guards.indices {
            if let held = database.guards[project] {
                try invariant(
                    "I7", database.operations[held.operation].isLive,
                    "operation \(held.operation) has ended and guards project \(project)")
            }
            let moves = database.operations.filter {
                $0.kind == .move && $0.project == project && $0.isLive && !$0.isKeyFree
            }
            try invariant(
                "I7", moves.count <= 1, "\(moves.count) moves of project \(project) at once")
        }
    }

    /// I7: a move holds its project's guard until it lets others of its kind have the project.
    private func movesAreGuarded(_ rules: Rules) throws {
        for operation in database.operations.indices {
            let body = database.operations[operation]
            guard body.kind == .move, body.isLive, !body.isKeyFree else { continue }
            try invariant(
                "I7", database.guards[body.project]?.operation == operation,
                "move \(operation) does not guard project \(body.project)")
        }
    }

    /// D4: what was written where a project was not placed stays on that host, if need be in the
    /// trash.
    private func strayWritesAreKept() throws {
        for host in agents.indices {
            for project in database.placements.indices {
                let last = truth.strayWrites[quarantineIndex(host, project)]
                guard last > 0 else { continue }
                let agent = agents[host]
                let isHere =
                    agent.volumes[project]?.content.version == last
                    || agent.trash.contains {
                        $0.project == project && $0.content.version == last
                    }
                    || agent.staged.contains {
                        $0.project == project && $0.volume.content.version == last
                    }
                try invariant(
                    "D4", isHere,
                    "write \(last) of project \(project), which only host \(host) had, is gone")
            }
        }
    }

    /// I4: a volume that a host's ledger holds for gone, and that the hub has quarantined there, is
    /// told to be gone.
    private func removalsAreTold(_ rules: Rules) throws {
        for host in agents.indices {
            for project in agents[host].records.indices
            where agents[host].records[project]?.isPresent != true
                && database.isQuarantined[quarantineIndex(host, project)]
            {
                let isTold = agents[host].outbox.contains { entry in
                    switch entry.body {
                    case .gone(let gone): gone == project
                    case .inventory(let all): !all.contains { $0.project == project }
                    case .finished, .volume: false
                    }
                }
                try invariant(
                    "I4", isTold,
                    "the volume of project \(project) is gone from host \(host), and nobody says so"
                )
            }
        }
    }

    /// D4, I12: the last change where the project is placed is somewhere.
    private func nothingIsLost() throws {
        for project in database.placements.indices {
            let last = truth.lastPlacedWrite[project]
            let isHere = agents.contains { agent in
                (agent.volumes[project]?.content.version ?? -1) >= last
                    || agent.trash.contains { $0.project == project && $0.content.version >= last }
                    || agent.staged.contains {
                        $0.project == project && $0.volume.content.version >= last
                    }
            }
            let isBackedUp = database.backups.contains { backup in
                guard let backup else { return false }
                return backup.project == project && backup.content.version >= last
                    && !backup.isForgotten
            }
            try invariant(
                "D4", isHere || isBackedUp, "write \(last) of project \(project) is nowhere")
        }
    }

    /// I1, D1: a project runs on one host at most, unless a host was given up.
    private func oneWriter() throws {
        for project in database.placements.indices where !truth.isLossAccepted[project] {
            let writers = agents.indices.filter {
                agents[$0].runs[project] && agents[$0].volumes[project]?.isReadOnly == false
            }
            try invariant(
                "I1", writers.count <= 1, "hosts \(writers) write project \(project) at once")
        }
    }

    /// D7: who believes in a lease has it, by the database's clock.
    private func leasesAreFenced(_ rules: Rules) throws {
        guard rules.options.lease > 0 else { return }
        for host in agents.indices where agents[host].isUp && !agents[host].isPaused {
            for running in agents[host].running where running.stop == .no {
                if mustStop(running, rules) { continue }
                // What was taken back because its worker did not list it has not heard yet.
                guard let lease = database.holder(of: running.operation, epoch: running.epoch)
                else { continue }
                try invariant(
                    "D7", database.sessions[lease.session].leaseLeft > 0,
                    "host \(host) works on operation \(running.operation) under a lease that is over"
                )
            }
        }
    }

    /// I9: at most one operation applies a copy.
    private func copiesAreOrdered() throws {
        for copy in database.copies.indices {
            let live = database.operations.filter { $0.copy == copy && $0.isLive }
            try invariant("I9", live.count <= 1, "\(live.count) operations apply copy \(copy)")
        }
    }

    /// L1, L2 and what must be true when nothing is left to do; nil when all is well.
    func unfinished() -> Violation? {
        for operation in database.operations.indices where database.operations[operation].isLive {
            let body = database.operations[operation]
            return Violation(
                invariant: "L1",
                text: "operation \(operation) (\(body.kind.rawValue)) does not end: \(body.place)")
        }
        for host in agents.indices where !agents[host].outbox.isEmpty {
            return Violation(
                invariant: "L2", text: "host \(host) keeps \(agents[host].outbox.count) reports")
        }
        for project in database.guards.indices where database.guards[project] != nil {
            return Violation(invariant: "L4", text: "project \(project) is guarded for ever")
        }
        for host in agents.indices where !agents[host].staged.isEmpty {
            return Violation(invariant: "L4", text: "host \(host) keeps something in staging")
        }
        if let pin = database.pins.first(where: {
            if case .operation = $0.holder { true } else { false }
        }) {
            return Violation(invariant: "L4", text: "backup \(pin.backup) is pinned for ever")
        }
        return nil
    }
}
