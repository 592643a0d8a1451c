import Postgres
import Shared

/// Performs what a group wants done, inside the transaction of its step.
struct GroupPerformer: Sendable {
    let body: OperationBody
    let identifiers: Identifiers

    /// Begins an operation for an item, or finds the live one that is the same.
    ///
    /// - Returns: why it is refused; then nothing has happened.
    func begin(
        _ item: GroupCandidate, _ work: GroupWork, in change: inout Change
    ) async throws -> Problem? {
        let creation = OperationCreation(
            change.transaction, author: RegistryWriter.Author(actor: body.createdBy),
            identifiers: identifiers,
            parent: OperationCreation.Parent(
                operation: body.id, key: "\(item.project)/\(item.tries + 1)"))
        do {
            let created = try await creation.create(work.order(item))
            try await GroupStore(change.transaction).begin(
                item.project, of: body.id, operation: created.id, target: work.target)
            change.lanes.insert(OperationBell.hub)
            return nil
        } catch let problem as Problem {
            return problem
        }
    }

    /// Asks a host what it has.
    func look(_ key: String, _ host: HostID, in change: inout Change) async throws {
        let id = identifiers.make(OperationIdentity.self)
        _ = try await OperationStore(change.transaction).create(
            NewOperation(
                id: id, kind: .hostInventory, scopeKind: .host, scope: host.uuid, project: nil,
                lane: host.uuid, input: .object([:]), createdBy: body.createdBy, parent: body.id,
                root: body.id, childKey: key))
        change.lanes.insert(host.uuid)
    }
}
