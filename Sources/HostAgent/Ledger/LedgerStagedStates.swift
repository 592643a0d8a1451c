import SQLite
import Shared

/// A read-only snapshot that holds what a backup says, on its way to be built on.
struct StagedState: Sendable, Codable, Equatable {
    /// The operation that made it.
    var operation: OperationID
    var backup: BackupReference
    var filesystem: FilesystemID
    /// The snapshot's own subvolume.
    var subvolume: String
    /// Its change counter.
    var ctransid: Int64
}

/// States that a restore may build on beside a volume's base, at most one a project.
extension Ledger {
    func stagedState(of project: ProjectID) async throws -> StagedState? {
        try await database.read { connection in
            try connection.queryFirst(
                "select state from staged_states where project = \(project.description)"
            ).map { row in
                try JSON.decode(
                    StagedState.self, from: Array(try row.decode(0, as: String.self).utf8))
            }
        }
    }

    /// Whether a subvolume is one of them.
    func isStagedState(_ subvolume: String) async throws -> Bool {
        try await database.read { connection in
            try connection.queryFirst(
                "select 1 from staged_states where subvolume = \(subvolume)") != nil
        }
    }

    /// Replaces the project's one.
    func setStagedState(_ state: StagedState, of project: ProjectID) async throws {
        let text = try JSON.text(state)
        _ = try await database.write { connection in
            try connection.execute(
                """
                insert or replace into staged_states (project, subvolume, state)
                values (\(project.description), \(state.subvolume), \(text))
                """)
        }
    }

    func removeStagedState(of project: ProjectID) async throws {
        _ = try await database.write { connection in
            try connection.execute(
                "delete from staged_states where project = \(project.description)")
        }
    }
}
