import Postgres
import Shared

/// A workflow's phase and state, and its children.
struct WorkflowStore: Sendable {
    /// What is stored with every transition.
    struct Document: Sendable {
        var phase: String
        var workflow: Workflow
        /// Whether the point of no return is behind it.
        var isCommitted: Bool
    }

    private struct State: Codable, Sendable {
        var workflow: Workflow
        var isCommitted: Bool
    }

    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    /// The stored workflow; nil when it has not begun.
    func load(_ operation: OperationID) async throws -> Document? {
        // 1.
        let result = try await transaction.query(
            "SELECT phase, state FROM operation_workflow WHERE operation = \(operation)")
        return try result.first.map { row in
            let state = try row.decode("state", as: JSONColumn<State>.self).value
            return Document(
                phase: try row.decode("phase"), workflow: state.workflow,
                isCommitted: state.isCommitted)
        }
    }

    /// Stores a transition.
    func save(_ document: Document, of operation: OperationID) async throws {
        let state = try JSONColumn(
            State(workflow: document.workflow, isCommitted: document.isCommitted))
        // 2.
        try await transaction.query(
            """
            INSERT INTO operation_workflow (operation, phase, state)
            VALUES (\(operation), \(document.phase), \(state)::jsonb)
            ON CONFLICT (operation) DO UPDATE SET phase = excluded.phase, state = excluded.state,
                updated_at = clock_timestamp()
            """)
    }

    /// The children of an operation with how they stand.
    func children(of operation: OperationID) async throws -> [WorkflowChild] {
        // 3.
        let result = try await transaction.query(
            """
            SELECT operation AS id, key AS child_key, lane, state, result, failure
            FROM operation_children WHERE parent = \(operation) ORDER BY operation
            """)
        return try result.rows.map { row in
            WorkflowChild(
                id: try row.decode("id"), key: try row.decode("child_key"),
                lane: try row.decode("lane"), outcome: try row.childOutcome())
        }
    }
}

extension PostgresRow {
    /// How an operation ended by its columns `state`, `result` and `failure`; nil while it lives.
    func childOutcome() throws -> ChildOutcome? {
        switch try decode("state", as: String?.self) {
        case nil: nil
        case "succeeded":
            .succeeded(try decode("result", as: JSONColumn<JSONValue>?.self)?.value ?? .null)
        case "failed":
            .failed(try decode("failure", as: JSONColumn<Failure>.self).value)
        case "canceled": .canceled
        default: .expired
        }
    }
}
