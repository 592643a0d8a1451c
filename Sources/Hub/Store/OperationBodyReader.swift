import Postgres
import Shared

/// What an operation is; it never changes.
struct OperationBody: Sendable {
    var id: OperationID
    var kind: OperationKind
    var lane: String
    var root: OperationID
    var parent: OperationID?
    var project: ProjectID?
    /// The copy that a `volume.apply` applies.
    var copy: CopyID?
    var maxAttempts: Int
    var input: JSONValue
    var createdBy: String
    /// The UUID of what it is about.
    var scope: String

    /// Whether it is the root of its tree, which holds guards and pins; a group's operations are,
    /// although they have a parent.
    var isRoot: Bool { root == id }
    /// The host whose lane it is in.
    var host: HostID? { HostID(uuid: lane) }
}

/// Reads what operations are.
struct OperationBodyReader: Sendable {
    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    /// The operation's body.
    func body(_ id: OperationID) async throws -> OperationBody? {
        // 1.
        let result = try await transaction.query(
            """
            SELECT id, kind, lane, root, parent, project, max_attempts, input, created_by, scope,
                CASE WHEN scope_kind = 'copy' THEN scope END AS copy
            FROM operations WHERE id = \(id)
            """)
        return try result.first.map(body)
    }

    /// Whether a lease was not given up or taken back yet.
    func isHeld(_ id: OperationID, epoch: Int64) async throws -> Bool {
        // 5.
        try await transaction.query(
            """
            SELECT EXISTS (SELECT FROM operation_run WHERE operation = \(id) AND epoch = \(epoch))
                AS is_held
            """
        ).one().decode("is_held")
    }

    /// The bodies of a lease's holder; locks the lease until the transaction ends.
    ///
    /// - Returns: nil when the lease is lost, or is not of this host.
    func fenced(_ id: OperationID, epoch: Int64, host: HostID?) async throws -> OperationBody? {
        // 2. A session that has run out, but was not swept yet, still holds its leases.
        let result = try await transaction.query(
            """
            SELECT o.id, o.kind, o.lane, o.root, o.parent, o.project, o.max_attempts, o.input,
                o.created_by, o.scope, CASE WHEN o.scope_kind = 'copy' THEN o.scope END AS copy
            FROM operation_run r
            JOIN sessions s ON s.id = r.session
            JOIN operations o ON o.id = r.operation
            WHERE r.operation = \(id) AND r.epoch = \(epoch)
                AND s.host IS NOT DISTINCT FROM \(host)::uuid
            FOR UPDATE OF r
            """)
        return try result.first.map(body)
    }

    /// Whether somebody asked it to stop.
    func isCanceled(_ id: OperationID) async throws -> Bool {
        // 3.
        let result = try await transaction.query(
            "SELECT operation FROM operation_cancel WHERE operation = \(id)")
        return result.first != nil
    }

    /// The pins that an operation holds.
    func pins(of id: OperationID) async throws -> [PinChanged] {
        // 4.
        let result = try await transaction.query(
            """
            SELECT p.backup, p.reason, b.project FROM pins p JOIN backups b ON b.id = p.backup
            WHERE p.holder = \(id) ORDER BY p.backup, p.reason
            """)
        return try result.rows.map { row in
            let reason = try row.decode("reason", as: String.self)
            guard let known = PinReason(rawValue: reason) else {
                throw HubError(.database, "a pin has the unknown reason \(reason)")
            }
            return PinChanged(
                project: try row.decode("project"), backup: try row.decode("backup"),
                reason: known, holder: id.uuid)
        }
    }

    private func body(_ row: PostgresRow) throws -> OperationBody {
        OperationBody(
            id: try row.decode("id"), kind: try row.kind(), lane: try row.decode("lane"),
            root: try row.decode("root"), parent: try row.decode("parent"),
            project: try row.decode("project"), copy: try row.decode("copy"),
            maxAttempts: try row.decode("max_attempts"),
            input: try row.decode("input", as: JSONColumn<JSONValue>.self).value,
            createdBy: try row.decode("created_by"), scope: try row.decode("scope"))
    }
}
