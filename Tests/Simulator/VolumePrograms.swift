import Shared

/// `volume.restore` and the short programs.
extension World {
    mutating func restore(_ running: Running, _ host: Int, _ rules: Rules) throws {
        switch running.stage {
        case .build: build(running, host, rules)
        case .stopReplaced:
            agents[host].runs[running.project] = false
            go(.notePublishing, running, host)
        case .notePublishing:
            guard let staged = staged(running, host),
                let base = agents[host].stagedBases.first(where: {
                    $0.operation == running.operation
                }), let backup = restoredBackup(running, rules)
            else { return }
            journal(
                .publishing(
                    subvolume: staged.subvolume, base: base.snapshot,
                    backup: Names.number(backup.id),
                    replaces: agents[host].volumes[running.project] != nil), running, host)
            go(.publish, running, host)
        case .publish:
            guard publish(running.operation, host) else {
                fail("staging-missing", running, host, rules, .retryable)
                return
            }
            go(.keepReplaced, running, host)
        case .keepReplaced:
            keepReplaced(running.operation, host, isKept: !rules.has(.noTrash))
            go(.publishBase, running, host)
        case .publishBase:
            publishBase(running.operation, host)
            go(.noteAppeared, running, host)
        case .noteAppeared:
            noteAppeared(running.operation, host, rules)
            try receipt(running, host, rules)
        default: break
        }
    }

    private func restoredBackup(_ running: Running, _ rules: Rules) -> BackupReference? {
        guard
            case .restore(let input) = rules.catalogue.work(
                database.operations[running.operation].work)
        else { return nil }
        return input.backup
    }

    private func staged(_ running: Running, _ host: Int) -> Volume? {
        agents[host].staged.first { $0.operation == running.operation }?.volume
    }

    /// Builds in staging what the bucket holds, and recomputes the root tree.
    private mutating func build(_ running: Running, _ host: Int, _ rules: Rules) {
        guard let backup = restoredBackup(running, rules) else { return }
        cleanUp(running.operation, host)
        guard database.isFenced(running.operation, epoch: running.epoch, host: host) else {
            stop(running.operation, .leaseLost, host)
            return
        }
        let object = bucket.indexed.first {
            $0.project == Names.number(backup.project) && $0.content.rootTree == backup.rootTree
        }
        guard let object, bucket.packs.contains(object) else {
            fail("repository-damaged", running, host, rules)
            return
        }
        let volume = Volume(subvolume: newSubvolume(), content: object.content)
        agents[host].staged.append(
            Staged(operation: running.operation, project: running.project, volume: volume))
        let snapshot = Snapshot(
            subvolume: newSubvolume(), volume: volume.subvolume, transid: volume.transid,
            content: volume.content)
        agents[host].stagedBases.append(
            StagedBase(operation: running.operation, project: running.project, snapshot: snapshot))
        let isReplacing = agents[host].volumes[running.project] != nil
        go(isReplacing ? .stopReplaced : .notePublishing, running, host)
    }

    private func publication(
        _ operation: Int, _ host: Int
    ) -> (project: Int, subvolume: Int, base: Snapshot, backup: Int)? {
        guard let index = agents[host].operation(operation),
            case .publishing(let subvolume, let base, let backup, _) =
                agents[host].operations[index].journal
        else { return nil }
        return (agents[host].operations[index].project, subvolume, base, backup)
    }

    /// The commit point: one rename, or one exchange.
    private mutating func publish(_ operation: Int, _ host: Int) -> Bool {
        guard let publication = publication(operation, host) else { return false }
        let project = publication.project
        if agents[host].volumes[project]?.subvolume == publication.subvolume { return true }
        guard
            let index = agents[host].staged.firstIndex(where: {
                $0.operation == operation && $0.volume.subvolume == publication.subvolume
            })
        else { return false }
        let restored = agents[host].staged[index].volume
        if let old = agents[host].volumes[project] {
            agents[host].staged[index].volume = old
        } else {
            agents[host].staged.remove(at: index)
        }
        agents[host].volumes[project] = restored
        return true
    }

    private mutating func keepReplaced(_ operation: Int, _ host: Int, isKept: Bool) {
        for staged in agents[host].staged where staged.operation == operation {
            guard isKept else { continue }
            agents[host].trash.append(
                Trashed(project: staged.project, content: staged.volume.content))
        }
        agents[host].staged.removeAll { $0.operation == operation }
    }

    private mutating func publishBase(_ operation: Int, _ host: Int) {
        guard let publication = publication(operation, host) else { return }
        if let base = agents[host].stagedBases.first(where: { $0.operation == operation }) {
            agents[host].bases[publication.project] = base.snapshot
            agents[host].stagedBases.removeAll { $0.operation == operation }
        }
    }

    private mutating func noteAppeared(_ operation: Int, _ host: Int, _ rules: Rules) {
        guard let publication = publication(operation, host),
            let volume = volume(database.operations[operation].work, rules)
        else { return }
        noteAppeared(publication, generation: Int(volume.generation), host)
    }

    private mutating func noteAppeared(
        _ publication: (project: Int, subvolume: Int, base: Snapshot, backup: Int),
        generation: Int, _ host: Int
    ) {
        let before = agents[host].records[publication.project]
        var record = Record(
            generation: max(before?.generation ?? 0, generation), isPresent: true,
            subvolume: publication.subvolume)
        record.base = Record.Base(
            backup: publication.backup, subvolume: publication.subvolume,
            covered: publication.base.transid, content: publication.base.content)
        record.reported = before?.reported
        agents[host].records[publication.project] = record
    }

    /// A restored volume that has taken its place already is finished.
    mutating func finishIfPlaced(_ operation: Int, _ host: Int) {
        guard let publication = publication(operation, host),
            agents[host].volumes[publication.project]?.subvolume == publication.subvolume
        else { return }
        let generation = agents[host].operation(operation).map {
            agents[host].operations[$0].generation
        }
        keepReplaced(operation, host, isKept: true)
        publishBase(operation, host)
        noteAppeared(publication, generation: generation ?? 0, host)
    }

    private mutating func receipt(_ running: Running, _ host: Int, _ rules: Rules) throws {
        guard let backup = restoredBackup(running, rules),
            let volume = volume(database.operations[running.operation].work, rules)
        else { return }
        try invariant(
            "D5",
            agents[host].volumes[running.project]?.content.rootTree == backup.rootTree
                || agents[host].runs[running.project],
            "host \(host) restored another content than backup \(Names.number(backup.id)) has")
        succeed(
            rules.catalogue.succeeded(
                RestoreReceipt(
                    backup: backup.id, host: Names.id(host), generation: volume.generation,
                    rootTree: backup.rootTree, files: 1, bytes: 1)), running, host)
    }

    // MARK: Short programs

    mutating func other(_ running: Running, _ host: Int, _ rules: Rules) throws {
        let project = running.project
        let isRetiring = database.operations[running.operation].kind == .volumeRetire
        switch running.stage {
        case .stopRuntime:
            agents[host].runs[project] = false
            if isRetiring {
                go(.trash, running, host)
            } else {
                succeed(rules.catalogue.done, running, host)
            }
        case .trash:
            if let volume = agents[host].volumes[project] {
                if !rules.has(.noTrash) {
                    agents[host].trash.append(Trashed(project: project, content: volume.content))
                }
                agents[host].volumes[project] = nil
            }
            go(.dropBase, running, host)
        case .dropBase:
            agents[host].bases[project] = nil
            go(.noteGone, running, host)
        case .noteGone:
            let wasPresent = agents[host].records[project]?.isPresent == true
            agents[host].records[project] = Record(
                generation: agents[host].records[project]?.generation ?? 0)
            if wasPresent, !rules.has(.reportApart) { agents[host].append(.gone(project: project)) }
            go(.reportGone, running, host)
        case .reportGone:
            if rules.has(.reportApart) { agents[host].append(.gone(project: project)) }
            succeed(rules.catalogue.done, running, host)
        case .thaw:
            agents[host].volumes[project]?.isReadOnly = false
            go(.noteThawed, running, host)
        case .noteThawed:
            agents[host].records[project]?.isFrozen = false
            succeed(rules.catalogue.done, running, host)
        case .startRuntime: try start(running, host, rules)
        case .create: create(running, host, rules)
        case .noteCreated:
            if let volume = volume(database.operations[running.operation].work, rules) {
                agents[host].records[project] = Record(
                    generation: Int(volume.generation), isPresent: true,
                    subvolume: agents[host].volumes[project]?.subvolume ?? -1)
            }
            succeed(rules.catalogue.done, running, host)
        case .noteApplying:
            journal(.applying, running, host)
            go(.apply, running, host)
        case .apply: try apply(running, host, rules)
        default: break
        }
    }

    private mutating func start(_ running: Running, _ host: Int, _ rules: Rules) throws {
        agents[host].runs[running.project] = true
        succeed(rules.catalogue.done, running, host)
    }

    private mutating func create(_ running: Running, _ host: Int, _ rules: Rules) {
        let project = running.project
        let record = agents[host].records[project]
        let generation = volume(database.operations[running.operation].work, rules)?.generation
        switch (agents[host].volumes[project] != nil, record?.isPresent ?? false) {
        case (true, true) where record?.generation == generation.map({ Int($0) }):
            succeed(rules.catalogue.done, running, host)
        case (true, true): fail("volume-exists", running, host, rules)
        case (true, false):
            // Only an empty one is taken over.
            guard agents[host].volumes[project]?.content == Content() else {
                fail("volume-unknown", running, host, rules)
                return
            }
            go(.noteCreated, running, host)
        case (false, true): fail("volume-missing", running, host, rules)
        case (false, false):
            agents[host].volumes[project] = Volume(subvolume: newSubvolume(), content: Content())
            go(.noteCreated, running, host)
        }
    }

    private mutating func apply(_ running: Running, _ host: Int, _ rules: Rules) throws {
        let copy = copy(of: running)
        guard agents[host].volumes[running.project]?.isReadOnly == false else {
            fail("volume-frozen", running, host, rules, .retryable)
            return
        }
        let there = agents[host].volumes[running.project]?.content.copy ?? -1
        let isCurrent = database.isFenced(running.operation, epoch: running.epoch, host: host)
        if isCurrent {
            try invariant(
                "I9", there <= copy,
                "copy \(copy) is applied over its successor \(there)")
        }
        agents[host].volumes[running.project]?.content.copy = copy
        agents[host].volumes[running.project]?.transid += 1
        succeed(rules.catalogue.done, running, host)
    }
}
