import Shared

/// The commit of a backup by a hub (D13): check, index, check, snapshot file, record; each a step.
extension World {
    /// Takes the next step of a commit under way.
    ///
    /// - Throws: `Violation`.
    mutating func step(commit index: Int, of hub: Int, _ rules: Rules) throws {
        let commit = hubs[hub].commits[index]
        guard let number = backupNumber(commit.operation, rules) else {
            answer(commit, hub, index, .refused)
            return
        }
        let project = database.operations[commit.operation].project
        let object = Bucket.Object(project: project, content: commit.content)
        var next = HubProcess.Commit.Stage(rawValue: commit.stage.rawValue + 1)
        switch commit.stage {
        case .check, .checkAgain:
            if let refusal = refusal(of: commit, rules) {
                answer(commit, hub, index, refusal)
                return
            }
            if commit.stage == .check, let known = recorded(number, commit, rules) {
                answer(commit, hub, index, known)
                return
            }
            if commit.stage == .check, !bucket.packs.contains(object) {
                answer(commit, hub, index, .refused)
                return
            }
            if rules.has(.snapshotBeforeIndex), commit.stage == .check { next = .checkAgain }
        case .index:
            if !bucket.indexed.contains(object) { bucket.indexed.append(object) }
            if rules.has(.snapshotBeforeIndex) {
                answer(commit, hub, index, known(number))
                return
            }
        case .snapshot:
            let file = Bucket.SnapshotFile(backup: number, object: object)
            if !bucket.snapshots.contains(file) { bucket.snapshots.append(file) }
        case .record:
            if let refusal = refusal(of: commit, rules) {
                answer(commit, hub, index, refusal)
                return
            }
            if let known = recorded(number, commit, rules) {
                answer(commit, hub, index, known)
                return
            }
            try record(number, commit, project, rules)
            if !rules.has(.snapshotBeforeIndex) {
                answer(commit, hub, index, known(number))
                return
            }
            next = .index
        }
        if let next { hubs[hub].commits[index].stage = next }
    }

    /// The identity that the operation's backup gets.
    func backupNumber(_ operation: Int, _ rules: Rules) -> Int? {
        guard case .backup(let input) = rules.catalogue.work(database.operations[operation].work)
        else { return nil }
        return Names.number(input.backup)
    }

    private func refusal(of commit: HubProcess.Commit, _ rules: Rules) -> Answer? {
        guard database.isFenced(commit.operation, epoch: commit.epoch, host: commit.host) else {
            return .leaseLost
        }
        if rules.has(.noGenerationCheck) { return nil }
        guard
            case .backup(let input) = rules.catalogue.work(
                database.operations[commit.operation].work)
        else { return .refused }
        let placement = database.placements[database.operations[commit.operation].project]
        let isPlaced =
            placement.host == commit.host && placement.generation == Int(input.volume.generation)
        return isPlaced ? nil : .generationLost
    }

    private func recorded(
        _ number: Int, _ commit: HubProcess.Commit, _ rules: Rules
    ) -> Answer? {
        number < database.backups.count && database.backups[number] != nil ? known(number) : nil
    }

    private func known(_ number: Int) -> Answer {
        guard number < database.backups.count, let backup = database.backups[number] else {
            return .refused
        }
        return .committed(backup, number: number)
    }

    /// The commit point: from here on the backup is acknowledged (D2).
    private mutating func record(
        _ number: Int, _ commit: HubProcess.Commit, _ project: Int, _ rules: Rules
    ) throws {
        let placement = database.placements[project]
        try invariant(
            "D1", placement.host == commit.host,
            "a backup of project \(project) by host \(commit.host) is recorded, which is placed on "
                + "host \(placement.host)")
        while database.backups.count <= number { database.backups.append(nil) }
        database.backups[number] = Backup(
            project: project, content: commit.content, host: commit.host,
            generation: placement.generation)
        database.pins.removeAll { pin in
            guard case .base(let host) = pin.holder, host == commit.host else { return false }
            return database.backups[pin.backup]?.project == project
        }
        database.pin(number, .base(host: commit.host))
        if !rules.has(.recordedUnpinned) {
            database.pin(number, .operation(database.operations[commit.operation].root))
        }
    }

    private mutating func answer(
        _ commit: HubProcess.Commit, _ hub: Int, _ index: Int, _ answer: Answer
    ) {
        hubs[hub].commits.remove(at: index)
        let request = Request.commit(
            operation: commit.operation, epoch: commit.epoch, content: commit.content)
        for call in agents[commit.host].calls.indices
        where agents[commit.host].calls[call].request == request
            && agents[commit.host].calls[call].answer == nil
        {
            agents[commit.host].calls[call].answer = answer
        }
    }
}
