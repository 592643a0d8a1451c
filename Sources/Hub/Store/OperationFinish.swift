import Postgres
import Shared

/// An operation's work that is done, under the lease that it was done with.
struct FinishedOperation: Sendable {
    var id: OperationID
    var epoch: Int64
    /// Succeeded, or stopped as it was asked to.
    var ending: OperationEnding
    /// Whether it is known to have no parent, so that nobody is to be woken.
    var isAlone = false
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

    /// Whose lease was still held: they leave the tables of the living, and their places.
    ///
    /// A heartbeat that has a row just then is waited for: what is deleted is the row as it left it.
    private static let leave: PostgresQuery = """
        ), left_run AS (
            DELETE FROM operation_run r USING given g
            WHERE r.operation = g.operation AND r.epoch = g.epoch
                AND EXISTS (SELECT FROM sessions s WHERE s.id = r.session
                    AND s.host IS NOT DISTINCT FROM g.host)
                AND EXISTS (SELECT FROM operation_live l WHERE l.operation = g.operation
                    AND NOT l.is_workflow AND NOT l.is_copy)
            RETURNING r.operation, r.epoch, g.state, g.result, r.attempt, r.claimed_at,
                r.begun_at, r.session
        ), left_live AS (
            DELETE FROM operation_live l USING left_run r WHERE l.operation = r.operation
            RETURNING l.operation, l.parent, l.child_key, l.lane
        ), places AS (
            UPDATE slots SET operation = NULL, epoch = NULL
            WHERE operation = ANY(ARRAY(SELECT operation FROM left_run))
        ), cancel AS (
            DELETE FROM operation_cancel
            WHERE operation = ANY(ARRAY(SELECT operation FROM left_run))
            RETURNING operation, requested_by, requested_at
        ), ended AS (
            INSERT INTO operation_end (operation, epoch, state, result, cancel_confirmed,
                attempt, owner, claimed_at, begun_at, cancel_requested_by,
                cancel_requested_at)
            SELECT r.operation, r.epoch, r.state, r.result,
                CASE WHEN r.state = 'canceled' THEN true END, r.attempt,
                (SELECT s.name FROM sessions s WHERE s.id = r.session),
                r.claimed_at, coalesce(r.begun_at, r.claimed_at), c.requested_by,
                c.requested_at
            FROM left_run r LEFT JOIN cancel c ON c.operation = r.operation
        """

    /// What follows for those that have parents.
    private static let effects: PostgresQuery = """
        ), child AS (
            UPDATE operation_children c SET state = r.state, result = r.result
            FROM left_live l JOIN left_run r ON r.operation = l.operation
            WHERE l.parent IS NOT NULL AND c.parent = l.parent AND c.key = l.child_key
        ), woken AS (
            DELETE FROM operation_waiting WHERE operation = ANY(ARRAY(
                SELECT parent FROM left_live WHERE parent IS NOT NULL))
            RETURNING operation, tries, begun_at
        ), ready AS (
            INSERT INTO operation_ready (lane, priority, share, operation, tries, begun_at)
            SELECT l.lane, l.priority, CASE WHEN l.is_workflow AND w.begun_at IS NOT NULL
                THEN ~l.share ELSE l.share END, l.operation, w.tries, w.begun_at
            FROM woken w JOIN operation_live l ON l.operation = w.operation
            RETURNING lane
        )
        SELECT operation, lane FROM left_live
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
        let given: PostgresQuery = """
            WITH given AS MATERIALIZED (
                SELECT g.id::uuid AS operation, g.epoch, g.state,
                    nullif(g.result, '')::jsonb AS result, \(host)::uuid AS host
                FROM unnest(\(names)::text[], \(epochs)::bigint[], \(states)::text[],
                    \(results)::text[]) AS g (id, epoch, state, result)
            """
        // 1. Fenced by the epoch; who finds no row has lost the lease. Most of the time of a batch is
        // what its statement has parts for, so those that nobody waits for have a shorter one.
        let result =
            finished.allSatisfy(\.isAlone)
            ? try await transaction.query(
                """
                \(fragment: given) \(fragment: Self.leave)
                ) SELECT operation, lane FROM left_live
                """)
            : try await transaction.query(
                "\(fragment: given) \(fragment: Self.leave) \(fragment: Self.effects)")
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
