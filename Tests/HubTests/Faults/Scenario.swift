import Shared

@testable import Hub

/// Something that people want done, from the request to its end.
enum Scenario: String, Sendable, CaseIterable {
    // Work that does nothing: all of the engine and nothing else.
    case check
    case checkThatFailsOnce
    case checkThatFails
    case checkThatIsCanceled
    case checkWhoseHostDies
    // Workflows with their parts.
    case startNew
    case startFromBackup
    case stop
    case backup
    case backupThatFailsOnce
    case backupThatIsCanceled
    case restoreProject
    case restorePath
    case move
    case moveThatFails
    case copy
    case delete
    case importTree
    case execute

    /// How many hosts take part.
    var hostCount: Int {
        switch self {
        case .move, .moveThatFails, .copy: 2
        default: 1
        }
    }

    /// Whether hosts take work; they could be done before a cancel that is late has reached them,
    /// and what has been done stays done (D14).
    var hostsWork: Bool { self != .backupThatIsCanceled }

    /// Which work the hosts fail at.
    func failure(of operation: LeasedOperation, count: Int) -> Failure? {
        switch (self, operation.kind) {
        case (.checkThatFailsOnce, .hostCheck), (.backupThatFailsOnce, .volumeBackup):
            count == 1 ? Failure(code: "x", message: "x", class: .retryable) : nil
        case (.checkThatFails, .hostCheck), (.moveThatFails, .volumeRestore):
            Failure(code: "x", message: "x")
        default: nil
        }
    }

    /// Makes what it needs, by the way that does not break, and answers the order.
    func prepare(_ fleet: SequentialFleet) async throws -> OperationOrder {
        switch self {
        case .check, .checkThatFailsOnce, .checkThatFails, .checkThatIsCanceled,
            .checkWhoseHostDies:
            return .hostCheck(fleet.hosts[0])
        case .startNew: return .start(try await project(fleet, isProvisioned: false))
        case .startFromBackup:
            let project = try await project(fleet, isProvisioned: false)
            try await fleet.direct.backup(of: project)
            return .start(project)
        case .stop: return .stop(try await project(fleet))
        case .backup, .backupThatFailsOnce, .backupThatIsCanceled:
            return .backup(try await project(fleet), BackupOrder())
        case .restoreProject, .restorePath:
            let project = try await project(fleet)
            let path = self == .restorePath ? try ProjectPath("x") : nil
            return .restore(
                project,
                RestoreOrder(
                    backup: try await fleet.direct.backup(of: project), path: path,
                    overwrite: .always))
        case .move, .moveThatFails:
            return .move(try await project(fleet), MoveOrder(target: fleet.hosts[1]))
        case .copy:
            let destination = try await project(fleet, on: 1, name: "d")
            let path = try ProjectPath("x")
            return .copy(
                try await project(fleet),
                CopyOrder(
                    path: path, destinations: [destination], destinationPath: path,
                    overwrite: .always))
        case .delete: return .delete(try await project(fleet))
        case .importTree:
            return .importTree(
                try await project(fleet),
                ImportRequest(directory: "/x", destination: .root, isFaithful: false))
        case .execute:
            return .execute(
                try await project(fleet),
                ExecuteRequest(command: ["true"], asRoot: false, timeoutSeconds: nil))
        }
    }

    private func project(
        _ fleet: SequentialFleet, isProvisioned: Bool = true, on host: Int = 0, name: String = "p"
    ) async throws -> ProjectID {
        try await fleet.direct.project(
            "\(fleet.name)-\(name)", on: fleet.hosts[host], isProvisioned: isProvisioned,
            isWanted: isProvisioned)
    }

    /// What happens while it is under way.
    func disturb(_ fleet: SequentialFleet, _ operation: OperationID) async throws {
        switch self {
        case .checkThatIsCanceled: try await cancel(operation, fleet)
        case .checkWhoseHostDies:
            // It takes the work, and comes back as another session.
            let request = fleet.engine.identifiers.make(RequestIdentity.self)
            _ = try await fleet.engine.stubborn {
                try await fleet.agents[0].lease(1, request: request)
            }
            try await fleet.agents[0].openStubbornly()
        case .backupThatIsCanceled:
            // The workflow has ordered its part, which nobody has begun.
            while try await fleet.direct.service.describe(operation)?.state != .waiting {
                if try await !fleet.hubTurn() { try await fleet.wait() }
            }
            try await cancel(operation, fleet)
        default: break
        }
    }

    private func cancel(_ operation: OperationID, _ fleet: SequentialFleet) async throws {
        _ = try await fleet.engine.stubborn {
            try await fleet.engine.service.cancel(operation, by: fleet.engine.author)
        }
    }
}
