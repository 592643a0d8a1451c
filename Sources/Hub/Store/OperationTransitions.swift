import Postgres
import Shared

/// How an operation ends.
enum OperationEnding: Sendable {
    case succeeded(JSONValue?)
    case failed(Failure)
    case canceled(isConfirmed: Bool)
    case expired

    var state: OperationState {
        switch self {
        case .succeeded: .succeeded
        case .failed: .failed
        case .canceled: .canceled
        case .expired: .expired
        }
    }

    /// What the attempt's history says.
    var word: String {
        switch self {
        case .failed(let failure): failure.code
        case .succeeded, .canceled, .expired: state.rawValue
        }
    }
}

/// What of an operation's tries goes with it from table to table.
struct OperationTries: Sendable {
    /// How many of its leases counted as tries.
    var count: Int
    /// When its first lease began.
    var begunAt: Timestamp?

    static let none = OperationTries(count: 0, begunAt: nil)

    /// The same, with the last lease not counted: it did not fail.
    var uncounted: OperationTries { OperationTries(count: max(0, count - 1), begunAt: begunAt) }
}

/// A lease that has just been given up.
struct EndedLease: Sendable {
    var epoch: Int64
    /// With this lease counted.
    var tries: OperationTries
    var session: SessionID
    var claimedAt: Timestamp
    /// No hub was there for a part of it.
    var isExcused = false
}

/// Moves operations between their tables.
///
/// All are called under the lock of the operation's tree.
struct OperationTransitions: Sendable {
    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    // MARK: Leaving a table

    /// Gives up a lease; every write of its holder is fenced by this (D7).
    ///
    /// - Returns: what it was; nil when the lease is lost.
    func leaveRun(_ operation: OperationID, epoch: Int64) async throws -> EndedLease? {
        // 1.
        let result = try await transaction.query(
            """
            DELETE FROM operation_run WHERE operation = \(operation) AND epoch = \(epoch)
            RETURNING epoch, attempt, session, claimed_at, is_excused,
                coalesce(begun_at, claimed_at) AS begun_at
            """)
        return try result.first.map(lease)
    }

    /// Takes an operation from whoever works on it.
    ///
    /// - Returns: the lease; nil when nobody does.
    func leaveRun(_ operation: OperationID) async throws -> EndedLease? {
        // 14.
        let result = try await transaction.query(
            """
            DELETE FROM operation_run WHERE operation = \(operation)
            RETURNING epoch, attempt, session, claimed_at, is_excused,
                coalesce(begun_at, claimed_at) AS begun_at
            """)
        return try result.first.map(lease)
    }

    private func lease(_ row: PostgresRow) throws -> EndedLease {
        EndedLease(
            epoch: try row.decode("epoch"),
            tries: OperationTries(
                count: try row.decode("attempt"), begunAt: try row.decode("begun_at")),
            session: try row.decode("session"), claimedAt: try row.decode("claimed_at"),
            isExcused: try row.decode("is_excused"))
    }

    /// An epoch above all leases given out before it.
    func drawEpoch() async throws -> Int64 {
        // 15.
        try await transaction.query("SELECT nextval('operation_epoch') AS epoch").one()
            .decode("epoch")
    }

    /// Takes an operation out of wherever it waits.
    ///
    /// The order is the one in which others move it on without the tree's lock, so that nothing
    /// slips past.
    ///
    /// - Returns: its tries; nil when it runs or has ended.
    func leaveQueue(_ operation: OperationID) async throws -> OperationTries? {
        // 2.
        let waiting = try await transaction.query(
            "DELETE FROM operation_waiting WHERE operation = \(operation) RETURNING tries, begun_at"
        )
        if let row = waiting.first { return try tries(row) }
        // 3.
        let delayed = try await transaction.query(
            "DELETE FROM operation_delayed WHERE operation = \(operation) RETURNING tries, begun_at"
        )
        if let row = delayed.first { return try tries(row) }
        // 4.
        let ready = try await transaction.query(
            "DELETE FROM operation_ready WHERE operation = \(operation) RETURNING tries, begun_at")
        return try ready.first.map(tries)
    }

    private func tries(_ row: PostgresRow) throws -> OperationTries {
        OperationTries(count: try row.decode("tries"), begunAt: try row.decode("begun_at"))
    }

    // MARK: Entering a table

    /// Makes an operation claimable again, with a new sequence.
    ///
    /// A workflow that has begun does not wait behind those that have not: it is a share of its own.
    ///
    /// - Parameter note: why it is queued again.
    /// - Returns: its lane, to be rung after the commit.
    func makeReady(
        _ operation: OperationID, _ tries: OperationTries, note: WaitingReason? = nil
    ) async throws -> String {
        // 5.
        let result = try await transaction.query(
            """
            INSERT INTO operation_ready (lane, priority, share, operation, tries, begun_at, note)
            SELECT lane, priority,
                CASE WHEN is_workflow AND \(tries.begunAt)::timestamptz IS NOT NULL
                    THEN ~share ELSE share END,
                operation, \(tries.count)::smallint, \(tries.begunAt)::timestamptz,
                \(note?.rawValue)::text
            FROM operation_live WHERE operation = \(operation) RETURNING lane
            """)
        return try result.one().decode("lane")
    }

    /// Lets an operation wait for its next try.
    func delay(
        _ operation: OperationID, _ tries: OperationTries, milliseconds: Int64,
        reason: WaitingReason, sentence: String
    ) async throws {
        // 6.
        try await transaction.query(
            """
            INSERT INTO operation_delayed (operation, due_at, reason, sentence, tries, begun_at)
            VALUES (\(operation), clock_timestamp() + \(milliseconds) * interval '1 millisecond',
                \(reason.rawValue), \(sentence), \(tries.count), \(tries.begunAt))
            """)
    }

    /// Parks an operation: no lease, no heartbeat.
    func park(
        _ operation: OperationID, _ tries: OperationTries, reason: WaitingReason,
        sentence: String, wakeAfterMilliseconds: Int64?
    ) async throws {
        // 7.
        try await transaction.query(
            """
            INSERT INTO operation_waiting (operation, reason, sentence, wake_at, tries, begun_at)
            VALUES (\(operation), \(reason.rawValue), \(sentence),
                clock_timestamp() + \(wakeAfterMilliseconds) * interval '1 millisecond',
                \(tries.count), \(tries.begunAt))
            """)
    }

    /// Makes an operation claimable that is parked.
    ///
    /// - Returns: its lane, or nil when it is not parked.
    func wake(_ operation: OperationID) async throws -> String? {
        // 8.
        let result = try await transaction.query(
            """
            WITH woken AS (
                DELETE FROM operation_waiting WHERE operation = \(operation)
                RETURNING operation, tries, begun_at
            )
            INSERT INTO operation_ready (lane, priority, share, operation, tries, begun_at)
            SELECT l.lane, l.priority, CASE WHEN l.is_workflow AND w.begun_at IS NOT NULL
                THEN ~l.share ELSE l.share END, l.operation, w.tries, w.begun_at
            FROM operation_live l JOIN woken w USING (operation)
            RETURNING lane
            """)
        return try result.first?.decode("lane")
    }

    /// Wakes operations that wait for others to be done with a project.
    ///
    /// - Returns: their lanes.
    func wakeGuarded(_ project: ProjectID) async throws -> [String] {
        // 9.
        let result = try await transaction.query(
            """
            WITH woken AS (
                DELETE FROM operation_waiting w USING operation_live l
                WHERE l.operation = w.operation AND l.project = \(project)
                    AND w.reason = 'guarded'
                RETURNING l.operation, l.lane, l.priority, l.share, l.is_workflow, w.tries,
                    w.begun_at
            )
            INSERT INTO operation_ready (lane, priority, share, operation, tries, begun_at)
            SELECT lane, priority, CASE WHEN is_workflow AND begun_at IS NOT NULL
                THEN ~share ELSE share END, operation, tries, begun_at
            FROM woken RETURNING lane
            """)
        return try result.rows.map { try $0.decode("lane") }
    }

    // MARK: The history and the end

    /// Notes how a lease ended that the operation's end does not hold.
    ///
    /// Of parkings one after another for the same reason the first is kept: what looks again twice a
    /// second for hours has one line.
    func keep(_ lease: EndedLease, of operation: OperationID, ending: String) async throws {
        // 10.
        try await transaction.query(
            """
            INSERT INTO operation_attempt (operation, epoch, attempt, session, owner, started_at,
                ended_at, ending)
            SELECT \(operation)::uuid, \(lease.epoch)::bigint, \(lease.tries.count)::smallint,
                \(lease.session)::uuid, s.name, \(lease.claimedAt)::timestamptz,
                clock_timestamp(), \(ending)::text
            FROM sessions s WHERE s.id = \(lease.session)::uuid
                AND (NOT starts_with(\(ending)::text, 'waiting') OR \(ending)::text
                    IS DISTINCT FROM (SELECT a.ending FROM operation_attempt a
                        WHERE a.operation = \(operation)::uuid ORDER BY a.epoch DESC LIMIT 1))
            """)
    }

    /// Writes the end, which never changes; frees the key, the slots and the guard.
    ///
    /// - Parameter lease: the last one; nil when nobody worked on it.
    func end(
        _ operation: OperationID, epoch: Int64?, lease: EndedLease?, _ tries: OperationTries,
        _ ending: OperationEnding
    ) async throws {
        var result: JSONColumn<JSONValue>?
        var failure: JSONColumn<Failure>?
        var isConfirmed: Bool?
        switch ending {
        case .succeeded(let value): result = try value.map { try JSONColumn($0) }
        case .failed(let reason): failure = try JSONColumn(reason)
        case .canceled(let confirmed): isConfirmed = confirmed
        case .expired: break
        }
        // 12.
        try await transaction.query(
            """
            WITH live AS (
                DELETE FROM operation_live WHERE operation = \(operation)::uuid
                RETURNING parent, child_key
            ), slot AS (
                UPDATE slots SET operation = NULL, epoch = NULL
                WHERE operation = \(operation)::uuid
            ), guard AS (DELETE FROM guards WHERE operation = \(operation)::uuid),
            children AS (DELETE FROM operation_children WHERE parent = \(operation)::uuid),
            child AS (
                UPDATE operation_children c SET state = \(ending.state.rawValue)::text,
                    result = \(result)::jsonb, failure = \(failure)::jsonb
                FROM live WHERE c.parent = live.parent AND c.key = live.child_key
            ), workflow AS (
                DELETE FROM operation_workflow WHERE operation = \(operation)::uuid
                RETURNING phase
            ), cancel AS (
                DELETE FROM operation_cancel WHERE operation = \(operation)::uuid
                RETURNING requested_by, requested_at
            )
            INSERT INTO operation_end (operation, epoch, state, result, failure, cancel_confirmed,
                attempt, owner, claimed_at, begun_at, phase, cancel_requested_by,
                cancel_requested_at)
            VALUES (\(operation)::uuid, \(epoch)::bigint, \(ending.state.rawValue)::text,
                \(result)::jsonb, \(failure)::jsonb, \(isConfirmed)::boolean,
                \(tries.count)::smallint,
                (SELECT name FROM sessions WHERE id = \(lease?.session)::uuid),
                \(lease?.claimedAt)::timestamptz, \(tries.begunAt)::timestamptz,
                (SELECT phase FROM workflow), (SELECT requested_by FROM cancel),
                (SELECT requested_at FROM cancel))
            """)
    }

    /// Gives an operation's slots back.
    func releaseSlots(of operation: OperationID) async throws {
        // 13.
        try await transaction.query(
            "UPDATE slots SET operation = NULL, epoch = NULL WHERE operation = \(operation)")
    }
}
