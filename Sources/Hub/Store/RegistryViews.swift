import Postgres
import Shared

/// Applies events to the registry's tables as they happen, by the statements that replay uses too.
struct RegistryViews: Sendable {
    let transaction: PostgresTransaction
    let time: Timestamp

    /// Applies one event.
    ///
    /// - Throws: `RegistryConflict` when it changes no row.
    func apply(_ event: RegistryEvent) async throws {
        let form = RegistryStatements.Form(type: event.type, version: event.version)
        guard let statement = RegistryStatements.all[form] else {
            throw RegistryConflict(
                description: "no view follows from \(event.type), version \(event.version)")
        }
        // 1. The one place where a registry table changes, replay aside.
        let result = try await transaction.query(
            """
            WITH e AS (SELECT \(time)::timestamptz AS time, \(try event.payload())::jsonb AS payload,
                \(event.project)::uuid AS project, \(event.host)::uuid AS host)
            \(fragment: statement)
            """)
        guard result.affectedRows > 0 else {
            throw RegistryConflict(description: event.conflict)
        }
    }
}

extension RegistryEvent {
    /// What it means that the event changes no row.
    fileprivate var conflict: String {
        switch self {
        case .hostExpected(let payload): "host \(payload.name) exists"
        case .hostEnrolled(let payload): "host \(payload.host) is not expected"
        case .hostSchedulable(let payload): "host \(payload.host) was removed"
        case .projectCreated(let payload): "project \(payload.name) exists"
        case .projectWanted(let payload): "project \(payload.project) does not exist"
        case .projectDeleted(let payload): "project \(payload.project) does not exist"
        case .placementChanged(let payload):
            "the placement of project \(payload.project) is not at generation "
                + "\(payload.generation - 1)"
        case .placementAdopted(let payload):
            "project \(payload.project) has generation \(payload.generation) or a later one"
        case .placementProvisioned(let payload):
            "project \(payload.project) is not placed on \(payload.host) with generation "
                + "\(payload.generation)"
        case .bucketCreated(let payload): "bucket \(payload.name) exists"
        case .bucketChanged(let payload): "bucket \(payload.bucket) was removed"
        case .bucketRemoved(let payload):
            "bucket \(payload.bucket) holds repositories, or was removed"
        case .projectRouted(let payload): "project \(payload.project) does not exist"
        case .repositoryCreated(let payload):
            "project \(payload.project) has a repository, or bucket \(payload.bucket) was removed"
        case .repositoryReplaced(let payload):
            "project \(payload.project) does not use repository \(payload.replaces) any more, or "
                + "bucket \(payload.bucket) was removed"
        case .backupRecorded(let payload): "backup \(payload.backup) is recorded"
        case .backupConfirmed(let payload): "backup \(payload.backup) is forgotten"
        case .backupForgotten(let payload):
            "backup \(payload.backup) is pinned, or forgotten already"
        case .pinAdded(let payload):
            "backup \(payload.backup) is forgotten, or pinned by \(payload.holder)"
        case .pinReleased(let payload):
            "backup \(payload.backup) is not pinned by \(payload.holder)"
        case .copyCreated(let payload): "copy \(payload.copy) exists"
        case .copyChanged(let payload): "copy \(payload.copy) has ended"
        case .scheduleCreated(let payload): "schedule \(payload.name) exists"
        case .scheduleChanged(let payload): "schedule \(payload.name) was deleted"
        case .scheduleDeleted(let payload): "schedule \(payload.schedule) was deleted"
        }
    }
}
