import Postgres
import Shared

/// Guards keep other operations away from a project while a move, restore or deletion runs; they
/// are taken when that is created, and survive every crash.
struct GuardStore: Sendable {
    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    /// The operation that guards a project.
    func holder(of project: ProjectID) async throws -> (operation: OperationID, kind: String)? {
        // 1.
        let result = try await transaction.query(
            "SELECT operation, kind FROM guards WHERE project = \(project)")
        return try result.first.map { (try $0.decode("operation"), try $0.decode("kind")) }
    }

    /// Takes a project's guard for a root operation.
    ///
    /// - Returns: false when another holds it.
    func take(
        _ project: ProjectID, operation: OperationID, kind: OperationKind
    ) async throws -> Bool {
        // 2. The guard's epoch is above all leases given out before it (D7).
        let result = try await transaction.query(
            """
            INSERT INTO guards AS g (project, operation, kind, epoch)
            VALUES (\(project), \(operation), \(kind.rawValue), nextval('operation_epoch'))
            ON CONFLICT (project) DO UPDATE SET kind = g.kind
            WHERE g.operation = excluded.operation
            """)
        return result.affectedRows == 1
    }

    /// Lets others have the project again.
    func release(by operation: OperationID) async throws {
        // 3.
        try await transaction.query("DELETE FROM guards WHERE operation = \(operation)")
    }
}
