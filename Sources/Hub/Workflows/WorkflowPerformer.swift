import Postgres
import Repository
import Shared

/// Performs the actions of a workflow inside the transaction of its step.
///
/// Each may come twice.
struct WorkflowPerformer: Sendable {
    let body: OperationBody
    let children: [WorkflowChild]
    let identifiers: Identifiers

    func perform(_ action: WorkflowAction, in change: inout Change) async throws {
        switch action {
        case .runChild(let order): try await run(order, in: &change)
        case .cancelChildren:
            let live = try await WorkflowStore(change.transaction).children(of: body.id)
                .filter { $0.outcome == nil }
            for child in live { try await cancel(child, in: &change) }
        case .cancelChild(let key):
            for child in children where child.key == key && child.outcome == nil {
                try await cancel(child, in: &change)
            }
        case .record(let event): try await change.record(event)
        case .pin(let backup, let reason): try await pin(backup, reason, in: &change)
        case .createCopy(let copy): try await create(copy, in: &change)
        case .endCopy(let copy, let destination, let state, let failure):
            try await CopyEnding.end(copy, destination, state, failure: failure, in: &change)
        case .forget(let backup):
            try await RepositoryHealthStore(change.transaction).lockBackup(backup.id)
            try await change.record(
                .backupForgotten(BackupForgotten(backup: backup.id, project: backup.project)))
        case .recordRepaired(let backup, let id, let snapshot, let rootTree, let omissions):
            try await record(backup, as: id, snapshot, rootTree, omissions, in: &change)
        case .releaseBases(let backup):
            for holder in try await BackupReader(change.transaction).baseHolders(of: backup.id) {
                try await change.record(
                    .pinReleased(
                        PinChanged(
                            project: backup.project, backup: backup.id, reason: .base,
                            holder: holder)))
            }
        case .recordCheck(let reading, let result):
            guard let project = body.project else { return }
            try await RepositoryHealthStore(change.transaction).record(
                result, reading: reading, of: project)
        case .releaseGuard:
            try await GuardStore(change.transaction).release(by: body.id)
            try await OperationStore(change.transaction).freeKey(of: body.id)
            if let project = body.project {
                change.lanes.formUnion(
                    try await OperationTransitions(change.transaction).wakeGuarded(project))
            }
        case .wait, .succeed, .fail, .cancel: break
        }
    }

    private func run(_ order: ChildOrder, in change: inout Change) async throws {
        guard !children.contains(where: { $0.key == order.key }) else { return }
        let id = identifiers.make(OperationIdentity.self)
        let isCreated = try await OperationStore(change.transaction).create(
            NewOperation(
                id: id, kind: order.work.kind, scopeKind: order.copy == nil ? .project : .copy,
                scope: order.copy?.uuid ?? order.project.uuid, project: order.project,
                lane: order.host.uuid, input: try order.work.document(),
                createdBy: body.createdBy, parent: body.id, root: body.root, childKey: order.key,
                dedupeKey: order.copy == nil ? nil : ""))
        guard isCreated else {
            throw RegistryConflict(
                description: "another operation has begun to apply the copy meanwhile")
        }
        change.lanes.insert(order.host.uuid)
    }

    private func cancel(_ child: WorkflowChild, in change: inout Change) async throws {
        guard let child = try await OperationBodyReader(change.transaction).body(child.id) else {
            return
        }
        try await OperationCancellation.request(child, by: body.createdBy, in: &change)
    }

    private func pin(
        _ backup: BackupReference, _ reason: PinReason, in change: inout Change
    ) async throws {
        let held = try await OperationBodyReader(change.transaction).pins(of: body.id)
        guard !held.contains(where: { $0.backup == backup.id && $0.reason == reason }) else {
            return
        }
        try await change.record(
            .pinAdded(
                PinChanged(
                    project: backup.project, backup: backup.id, reason: reason,
                    holder: body.id.uuid)))
    }

    /// What is left of a backup: as old as it, and of the same host.
    private func record(
        _ backup: BackupDescription, as id: BackupID, _ snapshot: String, _ rootTree: String,
        _ omissions: [String], in change: inout Change
    ) async throws {
        let repository = try await BucketStore(change.transaction).repository(of: backup.project)
        guard let repository else {
            throw RegistryConflict(description: "project \(backup.project) has no repository")
        }
        try await change.record(
            .backupRecorded(
                BackupRecorded(
                    backup: id, project: backup.project, repository: repository.id,
                    snapshot: snapshot, rootTree: rootTree, takenAt: backup.takenAt,
                    host: backup.host, generation: backup.generation, operation: body.id,
                    files: backup.files, bytes: backup.bytes, addedBytes: 0, storedBytes: 0,
                    omissions: backup.omissions + omissions,
                    tags: backup.tags + [RepositoryRepair.repairedTag])))
    }

    private func create(_ copy: CopyCreated, in change: inout Change) async throws {
        try await change.record(.copyCreated(copy))
        try await change.record(
            .pinAdded(
                PinChanged(
                    project: copy.source, backup: copy.backup, reason: .copy,
                    holder: copy.copy.uuid)))
        let older = try await CopyStore(change.transaction).older(
            than: copy.copy, destination: copy.destination, path: copy.destinationPath)
        for earlier in older {
            guard
                let work = try await CopyStore(change.transaction).work(on: earlier),
                work.live == nil
            else { continue }
            try await CopyEnding.end(
                earlier, copy.destination, .superseded, failure: nil, in: &change)
        }
    }
}
