import Shared
import Testing

@testable import Hub

/// A small model of the fleet that performs a workflow's actions as the runner and the hosts do,
/// one child at a time, and disturbs one of them.
struct WorkflowWorld {
    enum End: Equatable {
        case succeeded
        case failed
        case canceled
    }

    let source = HostFacts(id: identifier(1), name: "source", isOnline: true)
    let target = HostFacts(id: identifier(2), name: "target", isOnline: true)
    let backup: BackupReference
    var project: ProjectFacts
    var destination: ProjectFacts
    var copies: [CopyFacts] = []
    /// The generation of the volume that each host has.
    var volumes: [HostID: Int64] = [:]
    let ran: Bool
    var isRunning: Bool
    var isFrozen = false
    var staged = false
    /// A step of the undoing was the one disturbed.
    var undoFailed = false
    var errors: [String] = []
    var end: End?
    var storesEachStep = false
    private var children: [WorkflowChild] = []
    private var orders: [ChildOrder] = []
    private var wait: WorkflowAction?
    private var isCanceled = false
    private var steps = 0
    private var fresh: UInt64 = 1000

    static func identifier<Kind: IdentifierKind>(_ number: UInt64) -> Identifier<Kind> {
        Identifier(milliseconds: 1, random: (0, number))
    }

    init(_ isProvisioned: Bool?, isOnline: Bool) {
        backup = BackupReference(
            id: Self.identifier(10), project: Self.identifier(3),
            snapshot: String(repeating: "a", count: 64),
            rootTree: String(repeating: "b", count: 64), takenAt: Timestamp(milliseconds: 1))
        let host = HostFacts(id: source.id, name: "source", isOnline: isOnline)
        project = ProjectFacts(
            id: Self.identifier(3), name: "web", uid: 1, gid: 1,
            runtime: RuntimeDescription(command: ["/bin/serve"]), isDeleted: false,
            isWantedRunning: isProvisioned == true, host: host, generation: 1,
            isProvisioned: isProvisioned, newestBackup: isProvisioned == false ? nil : backup,
            freshness: .dirty, runtimeState: nil)
        destination = project
        destination.id = Self.identifier(4)
        destination.host = target
        destination.isProvisioned = true
        ran = isProvisioned == true
        isRunning = ran
        if isProvisioned != false { volumes[source.id] = 1 }
    }

    func order(_ kind: OperationKind) throws -> JSONValue {
        switch kind {
        case .restore: try JSON.value(RestoreOrder(backup: backup, overwrite: .always))
        case .move: try JSON.value(MoveOrder(target: target.id, acceptLoss: "web"))
        case .backup: try JSON.value(BackupOrder())
        case .copy:
            try JSON.value(
                CopyOrder(
                    path: try ProjectPath("x"), destinations: [destination.id],
                    destinationPath: try ProjectPath("x"), overwrite: .always))
        case .importTree:
            try JSON.value(
                ImportRequest(directory: "/x", destination: .root, isFaithful: false))
        case .execute:
            try JSON.value(
                ExecuteRequest(command: ["true"], asRoot: false, timeoutSeconds: nil))
        default: .object([:])
        }
    }

    /// Facts for workflows that ask for nothing but their own.
    mutating func emptyFacts() -> WorkflowFacts { facts() }

    private mutating func facts() -> WorkflowFacts {
        fresh += 100
        var facts = WorkflowFacts(
            operation: Self.identifier(5), now: Timestamp(milliseconds: 1), project: project,
            freshBackup: Self.identifier(fresh), copyExpiry: Timestamp(milliseconds: 2))
        facts.target = target
        facts.destinations = [destination.id: destination]
        facts.copies = copies
        facts.hasPath = true
        facts.freshCopies = [Self.identifier(fresh + 1)]
        return facts
    }

    /// Runs the workflow to its end.
    mutating func drive(
        _ workflow: inout Workflow, _ disturbance: WorkflowTableTests.Disturbance, at step: Int
    ) throws {
        hear(.began, &workflow)
        for _ in 0..<200 where end == nil {
            if storesEachStep {
                workflow = try JSON.decode(Workflow.self, from: try JSON.encode(workflow))
            }
            settle(&workflow)
            guard end == nil, let index = children.firstIndex(where: { $0.outcome == nil })
            else { continue }
            steps += 1
            let isNow = steps == step
            if isNow, disturbance == .cancelBefore, !workflow.isCommitted {
                isCanceled = true
                hear(.cancelRequested, &workflow)
                if end != nil { return }
            }
            let order = orders[index]
            if children[index].outcome == nil {
                let outcome: ChildOutcome
                if isNow, disturbance == .fails {
                    outcome = .failed(Failure(code: "injected", message: "the table says so"))
                    if order.key.hasPrefix("undo") { undoFailed = true }
                } else if isNow, disturbance == .isCanceled {
                    outcome = .canceled
                    if order.key.hasPrefix("undo") { undoFailed = true }
                } else {
                    outcome = perform(order)
                }
                children[index].outcome = outcome
            }
            guard let outcome = children[index].outcome, workflow.awaited.contains(order.key)
            else { continue }
            hear(.childEnded(order.key, outcome), &workflow)
            if disturbance == .everythingTwice, end == nil {
                hear(.childEnded(order.key, outcome), &workflow)
            }
        }
    }

    /// Wakes the workflow until it has nothing to do but wait.
    private mutating func settle(_ workflow: inout Workflow) {
        for _ in 0..<50 where end == nil {
            if isCanceled, !workflow.isCanceling, !workflow.isCommitted {
                hear(.cancelRequested, &workflow)
            }
            if end != nil { return }
            if !hear(.woken, &workflow) { return }
        }
    }

    /// - Returns: whether there was something to do.
    @discardableResult
    private mutating func hear(_ event: WorkflowEvent, _ workflow: inout Workflow) -> Bool {
        let actions = workflow.handle(event, facts())
        var waits = false
        for action in actions where end == nil {
            switch action {
            case .runChild(let order):
                guard !children.contains(where: { $0.key == order.key }) else { continue }
                orders.append(order)
                children.append(
                    WorkflowChild(
                        id: Self.identifier(UInt64(100 + children.count)), key: order.key,
                        lane: order.host.uuid, outcome: nil))
            case .cancelChildren:
                for index in children.indices where children[index].outcome == nil {
                    children[index].outcome = .canceled
                    hear(.childEnded(children[index].key, .canceled), &workflow)
                }
            case .cancelChild(let key):
                for index in children.indices where children[index].key == key {
                    children[index].outcome = children[index].outcome ?? .canceled
                }
            case .record(let event): record(event)
            case .createCopy(let copy):
                copies.append(
                    CopyFacts(
                        id: copy.copy, operation: copy.operation, backup: backup,
                        sourcePath: copy.sourcePath, destination: copy.destination,
                        destinationPath: copy.destinationPath, overwrite: copy.overwrite,
                        state: .pending))
            case .endCopy(let id, _, let state, _):
                for index in copies.indices where copies[index].id == id {
                    if copies[index].state == .pending { copies[index].state = state }
                }
            case .wait: waits = true
            case .succeed: end = .succeeded
            case .fail: end = .failed
            case .cancel: end = .canceled
            case .pin, .releaseGuard, .forget, .recordCheck, .recordRepaired, .releaseBases: break
            }
        }
        return !actions.isEmpty && !waits
    }

    private mutating func record(_ event: RegistryEvent) {
        switch event {
        case .placementChanged(let change):
            if change.generation != project.generation + 1 { errors.append("generation") }
            project.host = change.host == target.id ? target : source
            project.generation = change.generation
            project.isProvisioned = change.isProvisioned
            if change.host == target.id { staged = false }
        case .placementProvisioned(let change): project.isProvisioned = change.isProvisioned
        case .projectWanted(let change): project.isWantedRunning = change.isWantedRunning
        case .projectDeleted: project.isDeleted = true
        default: errors.append("unexpected event \(event.type)")
        }
    }

    /// What a host does.
    private mutating func perform(_ order: ChildOrder) -> ChildOutcome {
        func document(_ value: some Encodable) -> ChildOutcome {
            (try? JSON.value(value)).map { .succeeded($0) } ?? ChildOutcome.canceled
        }
        switch order.work {
        case .create(let input): volumes[order.host] = input.volume.generation
        case .backup(let input):
            isFrozen = isFrozen || input.isFinal
            var made = backup
            made.id = input.backup
            project.newestBackup = made
            return document(
                VolumeBackupResult(
                    backup: made, files: 1, bytes: 1, addedBytes: 1, storedBytes: 1,
                    omissions: [], isCurrent: true))
        case .restore(let input):
            if volumes[order.host] != nil, !input.replacesVolume {
                return .failed(Failure(code: "volume-exists", message: "there is a volume"))
            }
            if !(input.isStaged ?? false) { volumes[order.host] = input.volume.generation }
            staged = order.host == target.id && project.host.id != target.id
            return document(
                RestoreReceipt(
                    backup: input.backup.id, host: order.host,
                    generation: input.volume.generation, rootTree: input.backup.rootTree,
                    files: 1, bytes: 1))
        case .thaw: isFrozen = false
        case .retire(let input):
            if volumes[order.host] == input.volume.generation { volumes[order.host] = nil }
            if order.host == target.id { staged = false }
            if order.host == source.id { isFrozen = false }
        case .startRuntime(let input):
            if volumes[order.host] != input.volume.generation { errors.append("start") }
            isRunning = true
        case .stopRuntime: isRunning = false
        case .apply, .importTree, .execute: break
        }
        return .succeeded(.object([:]))
    }
}
