import Postgres
import Shared

/// Creates operations from orders, in one transaction with the checks that refuse them.
struct OperationCreation: Sendable {
    private let transaction: PostgresTransaction
    private let author: RegistryWriter.Author
    private let identifiers: Identifiers
    private let parent: Parent?

    /// The group that an operation is begun for, and what it calls it.
    struct Parent: Sendable {
        var operation: OperationID
        var key: String
    }

    init(
        _ transaction: PostgresTransaction, author: RegistryWriter.Author,
        identifiers: Identifiers, parent: Parent? = nil
    ) {
        self.parent = parent
        self.transaction = transaction
        self.author = author
        self.identifiers = identifiers
    }

    /// Creates the operation, or finds the live one that is the same.
    ///
    /// - Throws: `Problem`.
    func create(_ order: OperationOrder) async throws -> (id: OperationID, isReplay: Bool) {
        guard let project = order.project else {
            return try await createWithoutProject(order)
        }
        guard try await OperationStore(transaction).lockProject(project) else {
            throw OperationProblem.unknownProject(project)
        }
        let input = try OperationCreation.input(of: order)
        if order.isShared,
            let live = try await OperationStore(transaction).live(
                order.kind, scope: project.uuid, dedupeKey: "")
        {
            let body = try await OperationBodyReader(transaction).body(live)
            if body?.input == input { return (live, true) }
            throw OperationProblem.busy(with: live, kind: order.kind.rawValue)
        }
        if !order.isMaintenance, let holder = try await GuardStore(transaction).holder(of: project)
        {
            throw OperationProblem.busy(with: holder.operation, kind: holder.kind)
        }
        try await OperationChecks(transaction).check(order, project)
        return (try await insert(order, project, input), false)
    }

    private func insert(
        _ order: OperationOrder, _ project: ProjectID, _ input: JSONValue
    ) async throws -> OperationID {
        let id = identifiers.make(OperationIdentity.self)
        let isCreated = try await OperationStore(transaction).create(
            NewOperation(
                id: id, kind: order.kind, scopeKind: .project, scope: project.uuid,
                project: project, lane: OperationBell.hub, input: input,
                createdBy: author.actor, reason: author.reason, request: author.request,
                parent: parent?.operation, root: id, childKey: parent?.key,
                dedupeKey: order.isShared ? "" : nil))
        guard isCreated else {
            // The project's row is locked, so only a key of another spelling can be in the way.
            throw HubError(.database, "the operation's live key is taken")
        }
        if order.takesGuard {
            let isTaken = try await GuardStore(transaction).take(
                project, operation: id, kind: order.kind)
            guard isTaken else { throw OperationProblem.busy(with: nil, kind: "another operation") }
        }
        return id
    }

    private func createWithoutProject(
        _ order: OperationOrder
    ) async throws -> (id: OperationID, isReplay: Bool) {
        let groups = GroupCreation(transaction, author: author, identifiers: identifiers)
        switch order {
        case .hostCheck(let host): return (try await createCheck(of: host), false)
        case .drain(let host, let input): return try await groups.drain(host, input)
        case .batch(let input, let query): return (try await groups.batch(input, query), false)
        case .start, .stop, .backup, .restore, .move, .copy, .delete, .importTree, .execute,
            .check, .forget, .prune, .repair, .rekey:
            preconditionFailure("the order is about a project")
        }
    }

    private func createCheck(of host: HostID) async throws -> OperationID {
        guard try await HostReader(transaction).host(host) != nil else {
            throw OperationProblem.unknownHost(host)
        }
        let id = identifiers.make(OperationIdentity.self)
        _ = try await OperationStore(transaction).create(
            NewOperation(
                id: id, kind: .hostCheck, scopeKind: .host, scope: host.uuid, project: nil,
                lane: host.uuid, input: .object([:]), createdBy: author.actor,
                reason: author.reason, request: author.request, root: id))
        return id
    }

    private static func input(of order: OperationOrder) throws -> JSONValue {
        switch order {
        case .start, .stop, .delete, .prune, .hostCheck: .object([:])
        case .check(_, let input): try JSON.value(input)
        case .repair(_, let input): try JSON.value(input)
        case .rekey(_, let input): try JSON.value(input)
        case .forget(_, let input): try JSON.value(input)
        case .backup(_, let input): try JSON.value(input)
        case .restore(_, let input): try JSON.value(input)
        case .move(_, let input): try JSON.value(input)
        case .copy(_, let input): try JSON.value(input)
        case .importTree(_, let input): try JSON.value(input)
        case .execute(_, let input): try JSON.value(input)
        case .drain(_, let input): try JSON.value(input)
        case .batch(let input, _): try JSON.value(input)
        }
    }
}
