import Shared

/// Copies a path of one project into others: one backup, then one child for each destination,
/// which waits for its host as long as it has to.
struct CopyWorkflow: WorkflowSteps, Hashable {
    enum Phase: String, Codable {
        case backup
        case check
        case apply
    }

    /// A child that applies a copy, and where.
    struct Applying: Codable, Sendable, Hashable {
        var key: String
        var host: HostID
        var generation: Int64
        /// Asked to stop, because the destination moved.
        var isStale = false
    }

    var phase = Phase.backup
    var isCanceling = false
    var isCommitted: Bool { false }
    private let order: CopyOrder
    private var backup: BackupReference?
    private var isBackingUp = false
    private var applying: [CopyID: Applying] = [:]
    private var tries: [CopyID: Int] = [:]

    init(_ order: CopyOrder) {
        self.order = order
        backup = order.backup
    }

    var phaseName: String { phase.rawValue }
    var destinations: [ProjectID] { order.destinations }

    var awaited: Set<String> {
        Set(applying.values.map(\.key)).union(isBackingUp ? ["backup"] : [])
    }

    /// Asked only between the backup and the copies.
    var pathQuestion: PathQuestion? {
        guard phase == .check, let backup else { return nil }
        return PathQuestion(backup: backup, path: order.path)
    }

    mutating func handle(_ event: WorkflowEvent, _ facts: WorkflowFacts) -> [WorkflowAction] {
        switch event {
        case .began, .woken: return proceed(facts)
        case .cancelRequested:
            isCanceling = true
            return awaited.isEmpty ? proceed(facts) : [.cancelChildren]
        case .childEnded("backup", let outcome):
            isBackingUp = false
            return backedUp(outcome, facts)
        case .childEnded(let key, let outcome):
            guard let copy = applying.first(where: { $0.value.key == key })?.key else { return [] }
            return applied(copy, outcome, facts)
        }
    }

    private mutating func proceed(_ facts: WorkflowFacts) -> [WorkflowAction] {
        if isCanceling { return stop(facts) }
        switch phase {
        case .backup: return chooseBackup(facts)
        case .check: return check(facts)
        case .apply: return apply(facts)
        }
    }

    // MARK: The backup

    private mutating func chooseBackup(_ facts: WorkflowFacts) -> [WorkflowAction] {
        if isBackingUp { return [] }
        let project = facts.project
        // What a host says by itself lags behind its volumes (D3), so one that is there is asked.
        let isAsked =
            project.isProvisioned != false && (project.host.isOnline || project.freshness != .fresh)
        if backup == nil, !isAsked { backup = project.newestBackup }
        if let backup {
            phase = .check
            return [.pin(backup, .copy)]
        }
        guard isAsked else { return [.fail(project.noVolume)] }
        isBackingUp = true
        let base = project.base
        let pin: [WorkflowAction] = base.map { [.pin($0, .backup)] } ?? []
        return pin + [
            .runChild(
                ChildOrder(
                    "backup", on: project.host.id, project.id,
                    .backup(
                        VolumeBackupInput(
                            volume: project.volume(), backup: facts.freshBackup, base: base,
                            isFinal: false, tags: [BackupOrder.copyTag]))))
        ]
    }

    private mutating func backedUp(
        _ outcome: ChildOutcome, _ facts: WorkflowFacts
    ) -> [WorkflowAction] {
        if let failure = outcome.failure {
            if case .canceled = outcome { isCanceling = true }
            // Where nobody knew whether there is a volume, there is none: backups are all there is.
            if failure.code == "volume-missing", facts.project.isProvisioned == nil, !isCanceling {
                guard let newest = facts.project.newestBackup else {
                    return [.fail(facts.project.noVolume)]
                }
                backup = newest
                return proceed(facts)
            }
            return isCanceling ? [.cancel] : [.fail(failure)]
        }
        guard let result = outcome.result(VolumeBackupResult.self) else {
            return [.fail(ChildOutcome.badResult)]
        }
        backup = result.backup
        phase = .check
        return [.pin(result.backup, .copy)]
    }

    private mutating func check(_ facts: WorkflowFacts) -> [WorkflowAction] {
        guard let backup, let hasPath = facts.hasPath else {
            return [.wait(.ready, "the backup is being looked into", afterMilliseconds: 0)]
        }
        guard hasPath else {
            return [
                .fail(
                    Failure(
                        code: "path-not-in-backup",
                        message: "backup \(backup.id) of \(facts.project.name) has no "
                            + "\(order.path)",
                        hint: "see berth backup ls \(facts.project.name)"))
            ]
        }
        phase = .apply
        return zip(order.destinations, facts.freshCopies).map { destination, copy in
            .createCopy(
                CopyCreated(
                    copy: copy, operation: facts.operation, source: facts.project.id,
                    backup: backup.id, sourcePath: order.path, destination: destination,
                    destinationPath: order.destinationPath, overwrite: order.overwrite,
                    expiresAt: facts.copyExpiry))
        }
    }

    // MARK: The copies

    /// Gives every open copy a child where its destination is now, or leaves it pending.
    private mutating func apply(_ facts: WorkflowFacts) -> [WorkflowAction] {
        var actions: [WorkflowAction] = []
        let open = facts.copies.filter { $0.state == .pending || $0.state == .applying }
        for copy in open {
            guard let destination = facts.destinations[copy.destination], !destination.isDeleted
            else {
                actions.append(
                    .endCopy(copy.id, destination: copy.destination, .canceled, nil))
                continue
            }
            if let current = applying[copy.id] {
                let hasMoved =
                    current.host != destination.host.id
                    || current.generation != destination.generation
                if hasMoved, !current.isStale {
                    applying[copy.id]?.isStale = true
                    actions.append(.cancelChild(current.key))
                }
            } else if destination.isProvisioned == true, destination.guardian == nil,
                copy.appliedBy == nil, Self.isNext(copy, destination)
            {
                actions.append(order(copy, destination))
            }
        }
        if open.isEmpty, applying.isEmpty { return finish(facts) }
        if actions.isEmpty, applying.isEmpty {
            actions.append(
                .wait(
                    .children, "\(open.count) copies wait until their projects are started",
                    afterMilliseconds: 10_000))
        }
        return actions
    }

    /// Whether no earlier copy to the same place is open: one that is tried again must not be applied
    /// over its successor.
    private static func isNext(_ copy: CopyFacts, _ destination: ProjectFacts) -> Bool {
        let first = destination.pendingCopies.first { $0.destinationPath == copy.destinationPath }
        return first.map { $0.id == copy.id } ?? true
    }

    private mutating func order(
        _ copy: CopyFacts, _ destination: ProjectFacts
    ) -> WorkflowAction {
        let number = (tries[copy.id] ?? 0) + 1
        tries[copy.id] = number
        let key = number == 1 ? "copy/\(copy.id)" : "copy/\(copy.id)/\(number)"
        applying[copy.id] = Applying(
            key: key, host: destination.host.id, generation: destination.generation)
        return .runChild(
            ChildOrder(
                key, on: destination.host.id, copy.destination, copy: copy.id,
                copy.work(on: destination.volume())))
    }

    private mutating func applied(
        _ copy: CopyID, _ outcome: ChildOutcome, _ facts: WorkflowFacts
    ) -> [WorkflowAction] {
        let child = applying.removeValue(forKey: copy)
        guard let facts = facts.copies.first(where: { $0.id == copy }) else { return [] }
        let state: CopyState
        switch outcome {
        case .succeeded: state = .done
        case .canceled:
            // The destination moved: the copy follows it.
            if child?.isStale == true, !isCanceling { return [] }
            state = .canceled
        case .failed(let failure):
            // The destination was placed anew meanwhile: the copy is open, and follows it.
            if facts.state == .pending, (tries[copy] ?? 0) < 100 { return [] }
            return [.endCopy(copy, destination: facts.destination, .failed, failure)]
        case .expired: state = .expired
        }
        return [.endCopy(copy, destination: facts.destination, state, nil)]
    }

    private func finish(_ facts: WorkflowFacts) -> [WorkflowAction] {
        let done = facts.copies.filter { $0.state == .done }.count
        let failed = facts.copies.filter { $0.state == .failed }.count
        if failed > 0, done == 0, failed == facts.copies.count {
            return [
                .fail(
                    Failure(
                        code: "copies-failed", message: "all \(failed) copies failed",
                        hint: "see berth copy list"))
            ]
        }
        if !facts.copies.isEmpty, facts.copies.allSatisfy({ $0.state == .canceled }) {
            return [.cancel]
        }
        return [
            .succeed(
                .object([
                    "done": .integer(Int64(done)), "failed": .integer(Int64(failed)),
                    "copies": .integer(Int64(facts.copies.count)),
                ]))
        ]
    }

    /// Cancels what has not ended; the children have.
    private mutating func stop(_ facts: WorkflowFacts) -> [WorkflowAction] {
        guard awaited.isEmpty else { return [] }
        return facts.copies.filter { $0.state == .pending || $0.state == .applying }.map {
            .endCopy($0.id, destination: $0.destination, .canceled, nil)
        } + [.cancel]
    }
}
