import Postgres
import Shared

/// Cancel is a row.
struct OperationCancelStore: Sendable {
    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    /// Asks an operation to stop; again is harmless.
    func request(_ operation: OperationID, by actor: String) async throws {
        // 1.
        try await transaction.query(
            """
            INSERT INTO operation_cancel (operation, requested_by)
            VALUES (\(operation), \(actor)) ON CONFLICT DO NOTHING
            """)
    }

    /// Whether an operation is terminal.
    func hasEnded(_ operation: OperationID) async throws -> Bool {
        // 2.
        let result = try await transaction.query(
            "SELECT operation FROM operation_end WHERE operation = \(operation)")
        return result.first != nil
    }
}
