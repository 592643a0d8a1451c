import Postgres
import Shared

/// What refuses an order before anything begins.
struct OperationChecks: Sendable {
    private let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    /// - Throws: `Problem`.
    func check(_ order: OperationOrder, _ id: ProjectID) async throws {
        guard let project = try await ProjectReader(transaction).project(id) else {
            throw OperationProblem.unknownProject(id)
        }
        switch order {
        case .start, .stop, .delete, .restore, .importTree, .hostCheck, .forget, .drain, .batch:
            break
        case .check, .prune, .repair, .rekey:
            guard project.lastBackup != nil else { throw OperationProblem.noBackup(project) }
        case .backup, .execute:
            guard project.provisioned == true else { throw OperationProblem.noVolume(project) }
        case .move(_, let move): try await check(move, project)
        case .copy(_, let copy): try await check(copy, project)
        }
    }

    private func check(_ order: MoveOrder, _ project: ProjectDescription) async throws {
        let hosts = HostReader(transaction)
        guard let target = try await hosts.host(order.target) else {
            throw OperationProblem.unknownHost(order.target)
        }
        guard order.target != project.host else { throw OperationProblem.sameHost(target.name) }
        guard target.isSchedulable != false else {
            throw OperationProblem.hostCordoned(target.name)
        }
        switch target.state {
        // Who names one that arrives knows it; nobody else would place anything there.
        case .ready, .arriving: break
        case .expected, .troubled, .silent: throw OperationProblem.hostOffline(target.name)
        }
        guard let source = project.host, let description = try await hosts.host(source) else {
            return
        }
        switch description.state {
        case .ready, .troubled, .arriving: return
        case .silent, .expected:
            guard project.provisioned != false else { return }
            guard order.acceptLoss == project.name else {
                throw OperationProblem.sourceOffline(project)
            }
            guard project.lastBackup != nil else { throw OperationProblem.noBackup(project) }
        }
    }

    private func check(_ order: CopyOrder, _ project: ProjectDescription) async throws {
        guard (1...1000).contains(order.destinations.count) else {
            throw Problem(
                status: 400, code: "invalid-parameter", title: "A parameter is wrong",
                detail: "destinations must be 1 to 1,000 projects")
        }
        if order.backup == nil, project.provisioned != true, project.lastBackup == nil {
            throw OperationProblem.noBackup(project)
        }
        for destination in Set(order.destinations) {
            guard let found = try await ProjectReader(transaction).project(destination),
                found.deletedAt == nil
            else { throw OperationProblem.unknownProject(destination) }
            if destination == project.id, order.destinationPath == order.path {
                throw Problem(
                    status: 409, code: "same-path", title: "The copy would replace its source",
                    detail: "source and destination are the same path of \(project.name)",
                    hint: "name another destination path")
            }
        }
    }
}
