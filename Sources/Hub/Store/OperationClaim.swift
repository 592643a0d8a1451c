import Postgres
import Shared

/// Work that a session has just got the lease of.
struct ClaimedOperation: Sendable {
    var id: OperationID
    var kind: OperationKind
    var root: OperationID
    var epoch: Int64
    /// The epoch of the project's guard, where its tree holds it (D7).
    var guardEpoch: Int64?
    var attempt: Int
    var sequence: Int64
    /// A copy's identity for `volume.apply` of a copy.
    var copy: CopyID?
    var input: JSONValue
}

/// Gives leases out.
struct OperationClaim: Sendable {
    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    /// Takes ready operations of a lane in order, with the slots that they need.
    ///
    /// Left out are those whose slots are all taken, and copies into a project that another
    /// operation guards.
    /// - Parameters:
    ///   - floor: where the scan begins, behind what was claimed before (OPERATIONS.md 2.4).
    ///   - limit: how many at most, 1 to 100.
    func claim(
        lane: String, priority: OperationPolicy.Priority, floor: Int64, limit: Int,
        session: SessionID, owner: String
    ) async throws -> [ClaimedOperation] {
        // 1. Ready → run; a slot's row is taken in the same statement.
        let result = try await transaction.query(
            """
            WITH due AS MATERIALIZED (
                SELECT r.operation, r.sequence, k.resource,
                    k.resource IS NULL OR EXISTS (SELECT FROM slots s
                        WHERE s.operation = r.operation) AS is_seated
                FROM operation_ready r
                JOIN operations o ON o.id = r.operation
                CROSS JOIN LATERAL (SELECT CASE
                    WHEN o.kind = 'move' THEN 'moves'
                    WHEN o.kind = 'volume.backup' THEN 'host:' || o.lane || ':backup'
                    WHEN o.kind IN ('volume.restore', 'volume.apply')
                        THEN 'host:' || o.lane || ':restore'
                    END AS resource) k
                WHERE r.lane = \(lane) AND r.priority = \(priority.rawValue)::smallint
                    AND r.sequence >= \(floor)
                    AND (k.resource IS NULL
                        OR EXISTS (SELECT FROM slots s WHERE s.operation = r.operation)
                        OR EXISTS (SELECT FROM slots s
                            WHERE s.resource = k.resource AND s.operation IS NULL))
                    AND NOT (o.scope_kind = 'copy' AND EXISTS (SELECT FROM guards g
                        WHERE g.project = o.project AND g.operation <> o.root))
                ORDER BY r.sequence LIMIT \(limit)
                FOR UPDATE OF r SKIP LOCKED
            ), wanting AS (
                SELECT operation, resource,
                    row_number() OVER (PARTITION BY resource ORDER BY sequence) AS place
                FROM due WHERE NOT is_seated
            ), free AS MATERIALIZED (
                SELECT resource, number FROM slots
                WHERE resource IN (SELECT resource FROM wanting) AND operation IS NULL
                FOR UPDATE SKIP LOCKED
            ), seats AS (
                SELECT w.operation, f.resource, f.number FROM wanting w
                JOIN (SELECT resource, number,
                        row_number() OVER (PARTITION BY resource ORDER BY number) AS place
                    FROM free) f USING (resource, place)
            ), chosen AS MATERIALIZED (
                SELECT d.operation, d.sequence, nextval('operation_epoch') AS epoch,
                    (SELECT count(*) + 1 FROM operation_attempt a
                        WHERE a.operation = d.operation
                            AND a.ending IS DISTINCT FROM 'waiting')::smallint AS attempt
                FROM due d
                WHERE d.is_seated OR d.operation IN (SELECT operation FROM seats)
            ), seated AS (
                UPDATE slots s SET operation = c.operation, epoch = c.epoch
                FROM seats t JOIN chosen c USING (operation)
                WHERE s.resource = t.resource AND s.number = t.number
            ), gone AS (
                DELETE FROM operation_ready r USING chosen c WHERE r.operation = c.operation
            ), running AS (
                INSERT INTO operation_run (operation, epoch, session, attempt)
                SELECT operation, epoch, \(session)::uuid, attempt FROM chosen
            ), tried AS (
                INSERT INTO operation_attempt (operation, epoch, attempt, session, owner)
                SELECT operation, epoch, attempt, \(session)::uuid, \(owner)::text FROM chosen
            )
            SELECT c.operation, c.epoch, c.attempt, c.sequence, o.kind, o.root, o.input,
                g.epoch AS guard_epoch, CASE WHEN o.scope_kind = 'copy' THEN o.scope END AS copy
            FROM chosen c JOIN operations o ON o.id = c.operation
            LEFT JOIN guards g ON g.project = o.project AND g.operation = o.root
            ORDER BY c.sequence
            """)
        return try result.rows.map(operation)
    }

    private func operation(_ row: PostgresRow) throws -> ClaimedOperation {
        ClaimedOperation(
            id: try row.decode("operation"), kind: try row.kind(), root: try row.decode("root"),
            epoch: try row.decode("epoch"), guardEpoch: try row.decode("guard_epoch"),
            attempt: try row.decode("attempt"),
            sequence: try row.decode("sequence"), copy: try row.decode("copy"),
            input: try row.decode("input", as: JSONColumn<JSONValue>.self).value)
    }
}

extension PostgresRow {
    /// The column `kind`.
    func kind() throws -> OperationKind {
        let name = try decode("kind", as: String.self)
        guard let kind = OperationKind(rawValue: name) else {
            throw HubError(
                .database, "an operation has the unknown kind \(name)",
                hint: "a newer hub has written it; run this hub's version or newer")
        }
        return kind
    }
}
