import Shared

/// `volume.backup`, and how every program begins.
extension World {
    /// Enters the volume's gate, and begins or goes on.
    mutating func enter(_ running: Running, _ host: Int, _ rules: Rules) {
        guard agents[host].isGateFree(running),
            let index = agents[host].operation(running.operation)
        else { return }
        let journal = agents[host].operations[index].journal
        let work = rules.catalogue.work(database.operations[running.operation].work)
        switch work {
        case .backup(let input):
            if case .committed = journal {
                go(.replaceBase, running, host)
            } else if let failure = refusal(running, host, rules) {
                fail(.failed(failure), running, host, rules)
            } else if input.isFinal {
                go(.freeze, running, host)
            } else {
                go(.snapshot, running, host)
            }
        case .restore(let input):
            if case .publishing = journal {
                go(.publish, running, host)
            } else if agents[host].volumes[running.project] != nil, !input.replacesVolume {
                fail("volume-exists", running, host, rules)
            } else {
                go(.build, running, host)
            }
        case .retire(let input):
            let record = record(host, running.project)
            if let failure = VolumeRules.refusal(ofRetiring: input, record) {
                fail(.failed(failure), running, host, rules)
            } else if record == nil {
                succeed(rules.catalogue.done, running, host)
            } else {
                go(.stopRuntime, running, host)
            }
        case .thaw:
            if let failure = refusal(running, host, rules) {
                fail(.failed(failure), running, host, rules)
            } else {
                go(.thaw, running, host)
            }
        case .startRuntime:
            if let failure = refusal(running, host, rules) {
                fail(.failed(failure), running, host, rules)
            } else if agents[host].records[running.project]?.isFrozen == true {
                fail("volume-frozen", running, host, rules)
            } else {
                go(.startRuntime, running, host)
            }
        case .stopRuntime: go(.stopRuntime, running, host)
        case .create: go(.create, running, host)
        case .apply:
            if let failure = refusal(running, host, rules) {
                fail(.failed(failure), running, host, rules)
            } else if agents[host].records[running.project]?.isFrozen == true {
                fail("volume-frozen", running, host, rules, .retryable)
            } else if journal == .applying,
                agents[host].volumes[running.project]?.content.copy == copy(of: running)
            {
                succeed(rules.catalogue.done, running, host)
            } else {
                go(.noteApplying, running, host)
            }
        case .importTree, .execute: fail("kind-unsupported", running, host, rules)
        }
    }

    func copy(of running: Running) -> Int { database.operations[running.operation].copy }

    mutating func journal(_ journal: LedgerOperation.Journal, _ running: Running, _ host: Int) {
        guard let index = agents[host].operation(running.operation) else { return }
        agents[host].operations[index].journal = journal
    }

    mutating func backup(_ running: Running, _ host: Int, _ rules: Rules) throws {
        let project = running.project
        switch running.stage {
        case .freeze:
            if agents[host].runs[project] {
                fail("processes-left", running, host, rules, .retryable)
                return
            }
            agents[host].volumes[project]?.isReadOnly = true
            go(.noteFrozen, running, host)
        case .noteFrozen:
            agents[host].records[project]?.isFrozen = true
            go(.snapshot, running, host)
        case .snapshot: takeSnapshot(running, host)
        case .noteSnapshot:
            if let base = stagedBase(running, host) {
                journal(.snapshot(subvolume: base.subvolume), running, host)
            }
            go(.upload, running, host)
        case .upload: upload(running, host, rules)
        case .commit: break
        case .noteCommitted: break
        case .replaceBase:
            if let base = stagedBase(running, host) {
                agents[host].bases[project] = base
                agents[host].stagedBases.removeAll { $0.operation == running.operation }
            }
            go(.noteBase, running, host)
        case .noteBase:
            if let (snapshot, backup, number) = committedJournal(running, host) {
                agents[host].records[project]?.base = Record.Base(
                    backup: number, subvolume: snapshot.volume, covered: snapshot.transid,
                    content: backup.content)
            }
            go(.judge, running, host)
        case .judge: try judge(running, host, rules)
        default: break
        }
    }

    private mutating func takeSnapshot(_ running: Running, _ host: Int) {
        if let index = agents[host].operation(running.operation),
            case .snapshot(let subvolume) = agents[host].operations[index].journal,
            stagedBase(running, host)?.subvolume == subvolume
        {
            go(.upload, running, host)
            return
        }
        guard let volume = agents[host].volumes[running.project] else { return }
        agents[host].stagedBases.removeAll { $0.operation == running.operation }
        let snapshot = Snapshot(
            subvolume: newSubvolume(), volume: volume.subvolume, transid: volume.transid,
            content: volume.content)
        agents[host].stagedBases.append(
            StagedBase(operation: running.operation, project: running.project, snapshot: snapshot))
        go(.noteSnapshot, running, host)
    }

    private func stagedBase(_ running: Running, _ host: Int) -> Snapshot? {
        agents[host].stagedBases.first { $0.operation == running.operation }?.snapshot
    }

    private func committedJournal(_ running: Running, _ host: Int) -> (Snapshot, Backup, Int)? {
        guard let index = agents[host].operation(running.operation),
            case .committed(let snapshot, let backup, let number) =
                agents[host].operations[index].journal
        else { return nil }
        return (snapshot, backup, number)
    }

    /// Stores the packs under the lease, and asks for the commit.
    private mutating func upload(_ running: Running, _ host: Int, _ rules: Rules) {
        guard let snapshot = stagedBase(running, host) else {
            fail("snapshot-missing", running, host, rules, .retryable)
            return
        }
        guard database.isFenced(running.operation, epoch: running.epoch, host: host) else {
            stop(running.operation, .leaseLost, host)
            return
        }
        let object = Bucket.Object(project: running.project, content: snapshot.content)
        if !bucket.packs.contains(object) { bucket.packs.append(object) }
        let request = Request.commit(
            operation: running.operation, epoch: running.epoch, content: snapshot.content)
        agents[host].calls.append(Call(request: request))
        go(.commit, running, host)
    }

    /// The hub's answer to a commit.
    mutating func committed(
        _ operation: Int, _ epoch: Int, _ content: Content, _ answer: Answer, _ host: Int,
        _ rules: Rules
    ) {
        guard
            let running = agents[host].running.first(where: {
                $0.operation == operation && $0.epoch == epoch && $0.stage == .commit
            })
        else { return }
        switch answer {
        case .committed(let backup, let number):
            guard let snapshot = stagedBase(running, host) else { return }
            if backup.content != content, !rules.has(.commitNotCompared) {
                // An earlier try was recorded: it is a backup, but not of this snapshot.
                succeed(result(backup, number, isCurrent: false, rules), running, host)
                return
            }
            journal(.committed(snapshot, backup, number: number), running, host)
            go(.replaceBase, running, host)
        case .leaseLost: stop(operation, .leaseLost, host)
        case .generationLost: fail("generation-lost", running, host, rules)
        default: fail("commit-refused", running, host, rules, .retryable)
        }
    }

    private func result(
        _ backup: Backup, _ number: Int, isCurrent: Bool, _ rules: Rules
    ) -> Int {
        rules.catalogue.succeeded(
            VolumeBackupResult(
                backup: Names.backup(number, backup.project, backup.content), files: 1, bytes: 1,
                addedBytes: 1, storedBytes: 1, omissions: [], isCurrent: isCurrent))
    }

    private mutating func judge(_ running: Running, _ host: Int, _ rules: Rules) throws {
        guard let (snapshot, backup, number) = committedJournal(running, host) else { return }
        let volume = agents[host].volumes[running.project]
        let isCurrent =
            volume?.transid == snapshot.transid && volume?.subvolume == snapshot.volume
            || rules.has(.freshTooHigh)
        succeed(result(backup, number, isCurrent: isCurrent, rules), running, host)
    }
}
