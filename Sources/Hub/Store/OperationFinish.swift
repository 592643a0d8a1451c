import Postgres
import Shared

/// An operation's work that is done, under the lease that it was done with.
struct FinishedOperation: Sendable {
    var id: OperationID
    var epoch: Int64
    /// Succeeded, or stopped as it was asked to.
    var ending: OperationEnding
}

/// Ends many operations in one statement: the commit point of them all.
struct OperationFinish: Sendable {
    /// What a batch came to.
    struct Outcome: Sendable {
        /// Those that have ended now; the leases of the others were lost (D7).
        var ended: Set<OperationID> = []
        /// The lanes that got work or a free place.
        var lanes: Set<String> = []
    }

    /// What follows for those whose lease was still held.
    ///
    /// By keys, not by places: a heartbeat may have moved a row since the statement began, and its new
    /// place is not there for this statement.
    private static let effects: PostgresQuery = """
        ), left_run AS (
            DELETE FROM operation_run
            WHERE operation = ANY(ARRAY(SELECT operation FROM gone))
        ), left_live AS (
            DELETE FROM operation_live
            WHERE operation = ANY(ARRAY(SELECT operation FROM gone))
        ), places AS (
            UPDATE slots SET operation = NULL, epoch = NULL
            WHERE operation = ANY(ARRAY(SELECT operation FROM gone))
        ), cancel AS (
            DELETE FROM operation_cancel
            WHERE operation = ANY(ARRAY(SELECT operation FROM gone))
            RETURNING operation, requested_by, requested_at
        ), child AS (
            UPDATE operation_children c SET state = g.state, result = g.result
            FROM gone g WHERE c.ctid = g.noted
        ), woken AS (
            DELETE FROM operation_waiting WHERE operation = ANY(ARRAY(
                SELECT parent FROM gone WHERE parent IS NOT NULL))
            RETURNING operation, tries, begun_at
        ), ready AS (
            INSERT INTO operation_ready (lane, priority, share, operation, tries, begun_at)
            SELECT l.lane, l.priority, CASE WHEN l.is_workflow AND w.begun_at IS NOT NULL
                THEN ~l.share ELSE l.share END, l.operation, w.tries, w.begun_at
            FROM woken w JOIN operation_live l ON l.operation = w.operation
            RETURNING lane
        ), ended AS (
            INSERT INTO operation_end (operation, epoch, state, result, cancel_confirmed,
                attempt, owner, claimed_at, begun_at, cancel_requested_by,
                cancel_requested_at)
            SELECT g.operation, g.epoch, g.state, g.result,
                CASE WHEN g.state = 'canceled' THEN true END, g.attempt, g.owner,
                g.claimed_at, coalesce(g.begun_at, g.claimed_at), c.requested_by,
                c.requested_at
            FROM gone g LEFT JOIN cancel c USING (operation)
        )
        SELECT operation, lane FROM gone
        UNION ALL SELECT NULL, lane FROM ready
        """

    let transaction: any PostgresStatements

    init(_ transaction: any PostgresStatements) {
        self.transaction = transaction
    }

    /// Ends operations that are a host's or hub's own work, wakes their parents, and frees their
    /// places.
    ///
    /// Left out are workflows and copies, whose ends change the registry. The caller holds the locks
    /// of the trees of those that have a parent.
    /// - Parameter host: whose leases they must be; nil for the hub's.
    func finish(
        _ finished: [FinishedOperation], host: HostID?
    ) async throws -> Outcome {
        let names = finished.map(\.id.uuid)
        let epochs = finished.map(\.epoch)
        let states = finished.map(\.ending.state.rawValue)
        let results = try finished.map { finished -> String in
            guard case .succeeded(let result?) = finished.ending else { return "" }
            return try JSON.text(result)
        }
        // 1. Fenced by the epoch; who finds no row has lost the lease.
        let result = try await transaction.query(
            """
            WITH given AS MATERIALIZED (
                SELECT g.id::uuid AS operation, g.epoch, g.state,
                    nullif(g.result, '')::jsonb AS result
                FROM unnest(\(names)::text[], \(epochs)::bigint[], \(states)::text[],
                    \(results)::text[]) AS g (id, epoch, state, result)
            ), gone AS MATERIALIZED (
                SELECT g.operation, g.epoch, g.state, g.result, r.attempt, r.claimed_at,
                    r.begun_at, s.owner, l.parent, l.lane, c.noted
                FROM given g
                CROSS JOIN LATERAL (SELECT session, attempt, claimed_at, begun_at
                    FROM operation_run WHERE operation = g.operation AND epoch = g.epoch
                    LIMIT 1 FOR UPDATE) r
                CROSS JOIN LATERAL (SELECT name AS owner FROM sessions WHERE id = r.session
                    AND host IS NOT DISTINCT FROM \(host)::uuid LIMIT 1) s
                CROSS JOIN LATERAL (SELECT parent, child_key, lane
                    FROM operation_live WHERE operation = g.operation
                        AND NOT is_workflow AND NOT is_copy LIMIT 1 FOR UPDATE) l
                LEFT JOIN LATERAL (SELECT ctid AS noted FROM operation_children
                    WHERE parent = l.parent AND key = l.child_key LIMIT 1) c
                    ON l.parent IS NOT NULL
            \(fragment: Self.effects)
            """)
        var outcome = Outcome()
        for row in result.rows {
            outcome.lanes.insert(try row.decode("lane"))
            if let ended = try row.decode("operation", as: OperationID?.self) {
                outcome.ended.insert(ended)
            }
        }
        if !outcome.ended.isEmpty { outcome.lanes.insert(OperationBell.ended) }
        return outcome
    }
}
