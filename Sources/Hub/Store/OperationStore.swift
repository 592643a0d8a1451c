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
    /// One live operation for each kind, scope and key; nil keeps nobody away.
    var dedupeKey: String?
    /// When it is begun at the earliest; nil is at once.
    var notBefore: Timestamp?
}

/// Creates operations and looks up the live ones.
struct OperationStore: Sendable {
    /// A new operation as the statement reads it.
    private struct Row: Codable {
        var id: String
        var kind: String
        var scopeKind: String
        var scope: String
        var project: String?
        var lane: String
        var priority: Int
        var input: JSONValue
        var createdBy: String
        var reason: String?
        var request: String?
        var parent: String?
        var root: String
        var childKey: String?
        var dedupeKey: String?
        var maxAttempts: Int
        var silence: Int64
        var deadline: Int64?
        var notBefore: Timestamp?
        var isWorkflow: Bool

        init(_ new: NewOperation) {
            let policy = OperationPolicy.of(new.kind)
            id = new.id.uuid
            kind = new.kind.rawValue
            scopeKind = new.scopeKind.rawValue
            scope = new.scope
            project = new.project?.uuid
            lane = new.lane
            priority = policy.priority.rawValue
            input = new.input
            createdBy = new.createdBy
            reason = new.reason
            request = new.request?.uuid
            parent = new.parent?.uuid
            root = new.root.uuid
            childKey = new.childKey
            dedupeKey = new.dedupeKey
            maxAttempts = policy.maxAttempts
            silence = policy.noProgressLimit.milliseconds
            deadline = policy.deadline?.milliseconds
            notBefore = new.notBefore
            isWorkflow = new.kind.isWorkflow
        }
    }

    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    /// Creates an operation that is ready at once, or at its time.
    ///
    /// - Returns: false when one with the same kind, scope and key lives; then nothing happened.
    func create(_ new: NewOperation) async throws -> Bool {
        try await !create([new]).isEmpty
    }

    /// Creates operations, at most 10,000 in one statement.
    ///
    /// - Returns: those that were created; for each other one with the same kind, scope and key
    ///   lives.
    func create(_ new: [NewOperation]) async throws -> [OperationID] {
        let rows = try JSONColumn(new.map { Row($0) })
        // 1. The live key first: who gets it writes the rest. The share is the owner's turn.
        let result = try await transaction.query(
            """
            WITH given AS MATERIALIZED (
                SELECT g.id, g.kind, g."scopeKind" AS scope_kind, g.scope, g.project, g.lane,
                    g.priority, g.input, g."createdBy" AS created_by, g.reason, g.request,
                    g.parent, g.root, g."childKey" AS child_key, g."dedupeKey" AS dedupe_key,
                    g."maxAttempts" AS max_attempts, g.silence, g.deadline,
                    g."notBefore" AS not_before, g."isWorkflow" AS is_workflow,
                    coalesce(p.owner, g."createdBy") AS owner, r.bucket
                FROM jsonb_to_recordset(\(rows)::jsonb) AS g (id uuid, kind text,
                    "scopeKind" text, scope uuid, project uuid, lane text, priority smallint,
                    input jsonb, "createdBy" text, reason text, request uuid, parent uuid,
                    root uuid, "childKey" text, "dedupeKey" text, "maxAttempts" smallint,
                    silence bigint, deadline bigint, "notBefore" timestamptz,
                    "isWorkflow" boolean)
                LEFT JOIN projects p ON p.id = g.project
                LEFT JOIN repositories r ON r.project = g.project AND r.retired_at IS NULL
            ), live AS (
                INSERT INTO operation_live (operation, kind, scope, dedupe_key, lane, priority,
                    share, root, parent, child_key, project, bucket, is_workflow, is_copy,
                    silence_milliseconds, expires_at)
                SELECT id, kind, scope, dedupe_key, lane, priority,
                    hashtext(owner || ' ' || kind || coalesce(bucket::text, '')), root, parent,
                    child_key, project, bucket, is_workflow, scope_kind = 'copy', silence,
                    clock_timestamp() + deadline * interval '1 millisecond'
                FROM given ORDER BY id
                ON CONFLICT DO NOTHING
                RETURNING operation, share, lane, priority, parent, child_key
            ), body AS (
                INSERT INTO operations (id, kind, scope_kind, scope, project, lane, priority,
                    input, created_by, reason, request, parent, root, child_key, max_attempts)
                SELECT id, kind, scope_kind, scope, project, lane, priority, input, created_by,
                    reason, request, parent, root, child_key, max_attempts
                FROM given WHERE id IN (SELECT operation FROM live)
            ), child AS (
                INSERT INTO operation_children (parent, key, operation, lane)
                SELECT parent, child_key, operation, lane FROM live WHERE parent IS NOT NULL
            ), later AS (
                INSERT INTO operation_delayed (operation, due_at, reason, sentence)
                SELECT id, not_before, 'scheduled', 'begins at its time' FROM given
                WHERE not_before > clock_timestamp() AND id IN (SELECT operation FROM live)
                RETURNING operation
            ), ready AS (
                INSERT INTO operation_ready (lane, priority, share, operation)
                SELECT lane, priority, share, operation FROM live
                WHERE operation NOT IN (SELECT operation FROM later)
                ORDER BY operation
            )
            SELECT operation FROM live
            """)
        return try result.rows.map { try $0.decode("operation") }
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
            UPDATE operation_live SET dedupe_key = NULL
            WHERE operation = \(operation) AND dedupe_key IS NOT NULL
            """)
    }

    /// Of living operations, the roots of the trees that their ends have to be told to, and those
    /// whose success changes nothing but themselves and their parents.
    func standing(
        of operations: [OperationID]
    ) async throws -> (roots: Set<OperationID>, simple: Set<OperationID>) {
        let names = operations.map(\.uuid)
        // 4. A backup's success says something of its bucket, a root's pins and waiters of a project.
        let result = try await transaction.query(
            """
            SELECT operation, root, parent IS NOT NULL OR project IS NOT NULL OR is_workflow
                    AS is_in_tree,
                NOT is_workflow AND NOT is_copy AND kind <> 'volume.backup'
                    AND (root <> operation OR parent IS NULL AND project IS NULL) AS is_simple
            FROM operation_live WHERE operation = ANY(\(names)::text[]::uuid[])
            """)
        var roots: Set<OperationID> = []
        var simple: Set<OperationID> = []
        for row in result.rows {
            if try row.decode("is_in_tree", as: Bool.self) {
                roots.insert(try row.decode("root"))
            }
            if try row.decode("is_simple", as: Bool.self) {
                simple.insert(try row.decode("operation"))
            }
        }
        return (roots, simple)
    }

    /// Locks trees of operations, in one order.
    ///
    /// Every transition but a claim happens under the lock of its tree's root, so that a child's
    /// end and its parent's parking cannot miss each other; an operation that is a tree by itself
    /// needs none.
    func lockTrees(_ roots: Set<OperationID>) async throws {
        let names = roots.map(\.uuid)
        // 5.
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

    /// Locks a tree unless somebody else has it just now.
    ///
    /// - Returns: whether it is locked.
    func lockTreeIfFree(_ root: OperationID) async throws -> Bool {
        // 8.
        let result = try await transaction.query(
            "SELECT id FROM operations WHERE id = \(root) FOR NO KEY UPDATE SKIP LOCKED")
        return result.first != nil
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
