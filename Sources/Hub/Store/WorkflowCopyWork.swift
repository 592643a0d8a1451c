import Postgres
import Shared

/// What hangs together with copies: whom their changes concern.
struct CopyWork: Sendable {
    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    /// The copy operations that a registry change may let go on.
    func waiting(on event: RegistryEvent) async throws -> [OperationID] {
        switch event {
        case .copyChanged(let change):
            // 1.
            let result = try await transaction.query(
                "SELECT operation FROM copies WHERE id = \(change.copy)")
            return try result.rows.map { try $0.decode("operation") }
        case .placementChanged(let change):
            return try await operations(copyingInto: change.project)
        case .placementProvisioned(let change):
            return try await operations(copyingInto: change.project)
        case .placementAdopted(let change):
            return try await operations(copyingInto: change.project)
        case .projectDeleted(let change):
            return try await operations(copyingInto: change.project)
        case .hostExpected, .hostEnrolled, .hostSchedulable, .projectCreated, .projectWanted,
            .bucketCreated,
            .bucketChanged, .bucketRemoved, .projectRouted,
            .repositoryCreated, .repositoryReplaced, .backupRecorded, .backupConfirmed,
            .backupForgotten, .pinAdded, .pinReleased, .copyCreated, .scheduleCreated,
            .scheduleChanged, .scheduleDeleted:
            return []
        }
    }

    private func operations(copyingInto project: ProjectID) async throws -> [OperationID] {
        // 2.
        let result = try await transaction.query(
            """
            SELECT DISTINCT operation FROM copies
            WHERE destination = \(project) AND state IN ('pending', 'applying')
            """)
        return try result.rows.map { try $0.decode("operation") }
    }
}
