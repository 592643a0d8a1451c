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
    var share: Int64
    var sequence: Int64
    /// A copy's identity for `volume.apply` of a copy.
    var copy: CopyID?
    var input: JSONValue
}

/// The ready operations of one owner and kind in a lane: they have their turn together.
struct ReadyShare: Sendable {
    var share: Int64
    /// No ready operation of it comes before.
    var floor: Int64
    /// What its operations need a place of; empty when nothing limits them.
    var resources: [String] = []
}

/// Gives leases out.
struct OperationClaim: Sendable {
    /// Whose lease it becomes.
    struct Holder: Sendable {
        var session: SessionID
        /// The lease request that is answered; nil for the hub's own workers.
        var request: RequestID?
    }

    let transaction: any PostgresStatements

    init(_ transaction: any PostgresStatements) {
        self.transaction = transaction
    }

    /// Which shares of a lane have ready operations, and which version of the limits says what they
    /// need.
    ///
    /// - Parameters:
    ///   - after: where the search begins, for turns between very many.
    ///   - limit: how many at most.
    func shares(
        lane: String, priority: OperationPolicy.Priority, after: Int64, limit: Int
    ) async throws -> (shares: [ReadyShare], version: Int64) {
        // 1. From each share's first row to the next share's: what lies between is not read.
        let result = try await transaction.query(
            """
            WITH RECURSIVE heads AS (
                (SELECT share, sequence, operation FROM operation_ready
                WHERE lane = \(lane) AND priority = \(priority.rawValue)::smallint
                    AND share > \(after)
                ORDER BY share, sequence LIMIT 1)
                UNION ALL
                SELECT n.share, n.sequence, n.operation FROM heads h CROSS JOIN LATERAL (
                    SELECT share, sequence, operation FROM operation_ready
                    WHERE lane = \(lane) AND priority = \(priority.rawValue)::smallint
                        AND share > h.share
                    ORDER BY share, sequence LIMIT 1) n
            )
            SELECT h.share::bigint AS share, h.sequence, v.version, l.kind,
                CASE WHEN l.is_workflow AND h.share = ~l.share THEN NULL ELSE
                    (SELECT array_agg(m.resource ORDER BY m.resource) FROM limits m
                    WHERE m.resource = ANY(operation_resources(l.kind, l.lane, l.bucket)))
                END AS resources
            FROM limit_version v
            LEFT JOIN (SELECT * FROM heads LIMIT \(limit)) h ON true
            LEFT JOIN operation_live l ON l.operation = h.operation
            """)
        let shares = try result.rows.compactMap { row -> ReadyShare? in
            // A newer hub's kinds are left to newer hubs.
            guard let share = try row.decode("share", as: Int64?.self),
                let kind = try row.decode("kind", as: String?.self),
                OperationKind(rawValue: kind) != nil
            else { return nil }
            return ReadyShare(
                share: share, floor: try row.decode("sequence"),
                resources: try row.decode("resources", as: [String]?.self) ?? [])
        }
        return (shares, try result.rows.first?.decode("version") ?? 0)
    }

    /// Takes ready operations of shares that nothing limits: so many of each, in order.
    ///
    /// Nothing is taken for a session that is not open, nor when the limits have changed since
    /// `version`.
    /// - Parameter shares: with a floor behind what was claimed before (OPERATIONS.md 2.4).
    func claim(
        lane: String, priority: OperationPolicy.Priority, _ shares: [ReadyShare], each: Int,
        version: Int64, holder: Holder
    ) async throws -> [ClaimedOperation] {
        let names = shares.map(\.share)
        let floors = shares.map(\.floor)
        // 2. Ready → run. The lock keeps a change of the limits waiting.
        let result = try await transaction.query(
            """
            WITH due AS MATERIALIZED (
                SELECT r.* FROM unnest(\(names)::bigint[], \(floors)::bigint[])
                    AS t (share, floor)
                CROSS JOIN LATERAL (
                    SELECT q.ctid AS place, q.operation, q.share, q.sequence, q.tries, q.begun_at
                    FROM operation_ready q
                    WHERE q.lane = \(lane) AND q.priority = \(priority.rawValue)::smallint
                        AND q.share = t.share::integer AND q.sequence >= t.floor
                    ORDER BY q.sequence LIMIT \(each) FOR UPDATE SKIP LOCKED) r
                WHERE (SELECT v.version = \(version) AND pg_advisory_xact_lock_shared(
                        \(LimitStore.lock)) IS NOT NULL FROM limit_version v WHERE v.only_one)
                    AND EXISTS (SELECT FROM sessions s WHERE s.id = \(holder.session)
                        AND s.ended_at IS NULL AND s.lease_until > clock_timestamp())
            ), chosen AS MATERIALIZED (
                SELECT *, nextval('operation_epoch') AS epoch FROM due
            ), gone AS (
                DELETE FROM operation_ready WHERE ctid = ANY(ARRAY(SELECT place FROM chosen))
            ), running AS (
                INSERT INTO operation_run (operation, epoch, session, attempt, begun_at, request)
                SELECT operation, epoch, \(holder.session)::uuid, tries + 1, begun_at,
                    \(holder.request)::uuid
                FROM chosen
            )
            \(fragment: Self.answer) ORDER BY c.sequence
            """)
        return try await operations(result)
    }

    /// Takes ready operations of one share that limits hold back, with a place of each resource.
    ///
    /// Left out are copies into a project that another operation guards.
    func claim(
        lane: String, priority: OperationPolicy.Priority, limited share: ReadyShare, limit: Int,
        version: Int64, holder: Holder
    ) async throws -> [ClaimedOperation] {
        // 3. As many as there are free places, and of them those that get one of each.
        let result = try await transaction.query(
            """
            WITH due AS MATERIALIZED (
                SELECT q.ctid AS place, q.operation, q.share, q.sequence, q.tries, q.begun_at
                FROM operation_ready q JOIN operation_live l ON l.operation = q.operation
                WHERE q.lane = \(lane) AND q.priority = \(priority.rawValue)::smallint
                    AND q.share = \(share.share)::integer AND q.sequence >= \(share.floor)
                    AND NOT (l.is_copy AND EXISTS (SELECT FROM guards g
                        WHERE g.project = l.project AND g.operation <> l.root))
                    AND (SELECT v.version = \(version) AND pg_advisory_xact_lock_shared(
                        \(LimitStore.lock)) IS NOT NULL FROM limit_version v WHERE v.only_one)
                    AND EXISTS (SELECT FROM sessions s WHERE s.id = \(holder.session)
                        AND s.ended_at IS NULL AND s.lease_until > clock_timestamp())
                ORDER BY q.sequence LIMIT least(\(limit), (
                    SELECT coalesce(min(f.free), 0) FROM (
                        SELECT count(s.resource) AS free FROM unnest(\(share.resources)::text[])
                            AS w (resource)
                        LEFT JOIN limits m ON m.resource = w.resource
                        LEFT JOIN slots s ON s.resource = w.resource AND s.operation IS NULL
                            AND s.number <= m.places
                        GROUP BY w.resource) f))
                FOR UPDATE OF q SKIP LOCKED
            ), drawn AS MATERIALIZED (
                SELECT *, nextval('operation_epoch') AS epoch FROM due
            ), chosen AS MATERIALIZED (
                SELECT * FROM drawn
                WHERE take_places(operation, epoch, \(share.resources)::text[])
            ), gone AS (
                DELETE FROM operation_ready WHERE ctid = ANY(ARRAY(SELECT place FROM chosen))
            ), running AS (
                INSERT INTO operation_run (operation, epoch, session, attempt, begun_at, request)
                SELECT operation, epoch, \(holder.session)::uuid, tries + 1, begun_at,
                    \(holder.request)::uuid
                FROM chosen
            )
            \(fragment: Self.answer) ORDER BY c.sequence
            """)
        return try await operations(result)
    }

    /// What a lease request that is repeated was given, as far as it is still leased.
    func given(to holder: Holder) async throws -> [ClaimedOperation] {
        // 4.
        let result = try await transaction.query(
            """
            WITH chosen AS (
                SELECT operation, 0 AS share, 0::bigint AS sequence, epoch, attempt - 1 AS tries
                FROM operation_run
                WHERE session = \(holder.session)::uuid AND request = \(holder.request)::uuid
            )
            \(fragment: Self.answer) ORDER BY c.epoch
            """)
        return try await operations(result)
    }

    private static let answer: PostgresQuery = """
        SELECT c.operation, c.epoch, c.tries + 1 AS attempt, c.share::bigint AS share, c.sequence,
            l.kind, l.root, g.epoch AS guard_epoch, CASE WHEN l.is_copy THEN l.scope END AS copy
        FROM chosen c
        CROSS JOIN LATERAL (SELECT kind, root, is_copy, scope, project FROM operation_live
            WHERE operation = c.operation LIMIT 1) l
        LEFT JOIN LATERAL (SELECT epoch FROM guards
            WHERE project = l.project AND operation = l.root LIMIT 1) g ON true
        """

    private func operations(_ result: PostgresResult) async throws -> [ClaimedOperation] {
        guard !result.rows.isEmpty else { return [] }
        let names = try result.rows.map { try $0.decode("operation", as: OperationID.self).uuid }
        // 5. The bodies lie in days; between the least and the greatest name there are few of them.
        let bodies = try await transaction.query(
            """
            SELECT id, input FROM operations WHERE id = ANY(\(names)::text[]::uuid[])
                AND id >= \(names.min())::uuid AND id <= \(names.max())::uuid
            """)
        var inputs: [OperationID: JSONValue] = [:]
        for row in bodies.rows {
            inputs[try row.decode("id")] = try row.decode(
                "input", as: JSONColumn<JSONValue>.self
            ).value
        }
        return try result.rows.map { row in
            let id = try row.decode("operation", as: OperationID.self)
            guard let input = inputs[id] else {
                throw HubError(.database, "operation \(id) has no body")
            }
            return ClaimedOperation(
                id: id, kind: try row.kind(), root: try row.decode("root"),
                epoch: try row.decode("epoch"), guardEpoch: try row.decode("guard_epoch"),
                attempt: try row.decode("attempt"), share: try row.decode("share"),
                sequence: try row.decode("sequence"), copy: try row.decode("copy"), input: input)
        }
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
