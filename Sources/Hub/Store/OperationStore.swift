import Platform
import Postgres
import Shared

/// An operation about to be created.
struct NewOperation: Sendable {
    /// What a scope identifies.
    enum ScopeKind: String, Sendable {
        case project
        case host
        case copy
        case fleet
    }

    var id: OperationID
    var kind: OperationKind
    var scopeKind: ScopeKind
    /// A UUID.
    var scope: String
    var project: ProjectID?
    /// `hub` or a host's UUID.
    var lane: String
    var input: JSONValue
    var createdBy: String
    var reason: String?
    var request: RequestID?
    var parent: OperationID?
    var root: OperationID
    var childKey: String?
    /// One live operation for each kind, scope and key.
    var dedupeKey: String
}

/// Creates operations and looks up the live ones.
struct OperationStore: Sendable {
    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    /// Creates an operation that is ready at once.
    ///
    /// - Returns: false when one with the same kind, scope and key lives; then nothing happened.
    func create(_ new: NewOperation) async throws -> Bool {
        let policy = OperationPolicy.of(new.kind)
        let limit = policy.noProgressLimit.milliseconds
        let input = try JSONColumn(new.input)
        // 1. The live key first: who gets it writes the rest.
        let result = try await transaction.query(
            """
            WITH live AS (
                INSERT INTO operation_live (operation, kind, scope, dedupe_key)
                VALUES (\(new.id), \(new.kind.rawValue), \(new.scope), \(new.dedupeKey))
                ON CONFLICT DO NOTHING RETURNING operation
            ), body AS (
                INSERT INTO operations (id, kind, scope_kind, scope, project, lane, priority,
                    input, created_by, reason, request, parent, root, child_key, max_attempts,
                    no_progress_limit)
                SELECT operation, \(new.kind.rawValue)::text, \(new.scopeKind.rawValue)::text,
                    \(new.scope)::uuid, \(new.project)::uuid, \(new.lane)::text,
                    \(policy.priority.rawValue)::smallint, \(input)::jsonb,
                    \(new.createdBy)::text, \(new.reason)::text, \(new.request)::uuid,
                    \(new.parent)::uuid, \(new.root)::uuid, \(new.childKey)::text,
                    \(policy.maxAttempts)::smallint, \(limit) * interval '1 millisecond'
                FROM live RETURNING id
            )
            INSERT INTO operation_ready (lane, priority, operation)
            SELECT \(new.lane)::text, \(policy.priority.rawValue)::smallint, id FROM body
            """)
        return result.affectedRows == 1
    }

    /// The live operation of a kind, scope and key.
    func live(
        _ kind: OperationKind, scope: String, dedupeKey: String
    ) async throws -> OperationID? {
        // 2.
        let result = try await transaction.query(
            """
            SELECT operation FROM operation_live
            WHERE kind = \(kind.rawValue) AND scope = \(scope) AND dedupe_key = \(dedupeKey)
            """)
        return try result.first?.decode("operation")
    }

    /// Frees the key that keeps others of the kind away from the scope, while the operation lives.
    func freeKey(of operation: OperationID) async throws {
        // 3.
        try await transaction.query(
            """
            UPDATE operation_live SET dedupe_key = operation::text
            WHERE operation = \(operation) AND dedupe_key <> operation::text
            """)
    }

    /// An operation's root.
    func root(of operation: OperationID) async throws -> OperationID? {
        // 4.
        let result = try await transaction.query(
            "SELECT root FROM operations WHERE id = \(operation)")
        return try result.first?.decode("root")
    }

    /// Locks trees of operations, in one order.
    ///
    /// Every transition but a claim happens under the lock of its tree's root, so that a child's
    /// end and its parent's parking cannot miss each other.
    func lockTrees(_ roots: Set<OperationID>) async throws {
        let names = roots.map(\.uuid)
        // 5. Compatible with the foreign keys' locks.
        try await transaction.query(
            """
            SELECT id FROM operations WHERE id = ANY(\(names)::text[]::uuid[])
            ORDER BY id FOR NO KEY UPDATE
            """)
    }

    /// Waits until nobody decides in an operation's tree, and keeps it so until the transaction
    /// ends; others may do the same.
    func share(_ root: OperationID) async throws {
        // 7.
        try await transaction.query("SELECT id FROM operations WHERE id = \(root) FOR SHARE")
    }

    /// Keeps a project's creations one after another, until the transaction ends.
    ///
    /// - Returns: whether the project exists and is not deleted.
    func lockProject(_ project: ProjectID) async throws -> Bool {
        // 6.
        let result = try await transaction.query(
            """
            SELECT id FROM projects WHERE id = \(project) AND deleted_at IS NULL
            FOR NO KEY UPDATE
            """)
        return result.first != nil
    }
}
