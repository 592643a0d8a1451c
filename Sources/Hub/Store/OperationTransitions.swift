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
    /// - Returns: which attempt it was; nil when the lease is lost.
    func leaveRun(_ operation: OperationID, epoch: Int64) async throws -> Int? {
        // 1.
        let result = try await transaction.query(
            """
            DELETE FROM operation_run WHERE operation = \(operation) AND epoch = \(epoch)
            RETURNING attempt
            """)
        return try result.first?.decode("attempt")
    }

    /// Takes an operation from whoever works on it.
    ///
    /// - Returns: the epoch of the lease; nil when nobody does.
    func leaveRun(_ operation: OperationID) async throws -> Int64? {
        // 14.
        let result = try await transaction.query(
            "DELETE FROM operation_run WHERE operation = \(operation) RETURNING epoch")
        return try result.first?.decode("epoch")
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
    /// - Returns: false when it runs or has ended.
    func leaveQueue(_ operation: OperationID) async throws -> Bool {
        // 2.
        let waiting = try await transaction.query(
            "DELETE FROM operation_waiting WHERE operation = \(operation)")
        if waiting.affectedRows > 0 { return true }
        // 3.
        let delayed = try await transaction.query(
            "DELETE FROM operation_delayed WHERE operation = \(operation)")
        if delayed.affectedRows > 0 { return true }
        // 4.
        let ready = try await transaction.query(
            "DELETE FROM operation_ready WHERE operation = \(operation)")
        return ready.affectedRows > 0
    }

    // MARK: Entering a table

    /// Makes an operation claimable.
    ///
    /// - Returns: its lane, to be rung after the commit.
    func makeReady(_ operation: OperationID) async throws -> String {
        // 5. With a new sequence.
        let result = try await transaction.query(
            """
            INSERT INTO operation_ready (lane, priority, operation)
            SELECT lane, priority, id FROM operations WHERE id = \(operation) RETURNING lane
            """)
        return try result.one().decode("lane")
    }

    /// Lets an operation wait for its next try.
    func delay(
        _ operation: OperationID, milliseconds: Int64, reason: WaitingReason, sentence: String
    ) async throws {
        // 6.
        try await transaction.query(
            """
            INSERT INTO operation_delayed (operation, due_at, reason, sentence)
            VALUES (\(operation), clock_timestamp() + \(milliseconds) * interval '1 millisecond',
                \(reason.rawValue), \(sentence))
            """)
    }

    /// Parks an operation: no lease, no heartbeat.
    func park(
        _ operation: OperationID, reason: WaitingReason, sentence: String,
        wakeAfterMilliseconds: Int64?
    ) async throws {
        // 7.
        try await transaction.query(
            """
            INSERT INTO operation_waiting (operation, reason, sentence, wake_at)
            VALUES (\(operation), \(reason.rawValue), \(sentence),
                clock_timestamp() + \(wakeAfterMilliseconds) * interval '1 millisecond')
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
                DELETE FROM operation_waiting WHERE operation = \(operation) RETURNING operation
            )
            INSERT INTO operation_ready (lane, priority, operation)
            SELECT o.lane, o.priority, o.id FROM operations o JOIN woken w ON w.operation = o.id
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
                DELETE FROM operation_waiting w USING operations o
                WHERE o.id = w.operation AND o.project = \(project) AND w.reason = 'guarded'
                RETURNING o.id, o.lane, o.priority
            )
            INSERT INTO operation_ready (lane, priority, operation)
            SELECT lane, priority, id FROM woken RETURNING lane
            """)
        return try result.rows.map { try $0.decode("lane") }
    }

    // MARK: The history and the end

    /// Notes how a lease ended.
    ///
    /// A workflow's parkings are not kept, but for its first.
    func endAttempt(_ operation: OperationID, epoch: Int64, ending: String) async throws {
        if ending == "waiting" {
            // 10.
            let dropped = try await transaction.query(
                """
                DELETE FROM operation_attempt a
                WHERE a.operation = \(operation) AND a.epoch = \(epoch) AND EXISTS (
                    SELECT FROM operation_attempt b
                    WHERE b.operation = a.operation AND b.epoch < a.epoch)
                """)
            if dropped.affectedRows > 0 { return }
        }
        // 11.
        try await transaction.query(
            """
            UPDATE operation_attempt SET ended_at = clock_timestamp(), ending = \(ending)
            WHERE operation = \(operation) AND epoch = \(epoch) AND ended_at IS NULL
            """)
    }

    /// Writes the end, which never changes; frees the key, the slots and the guard.
    func end(_ operation: OperationID, epoch: Int64?, _ ending: OperationEnding) async throws {
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
            WITH live AS (DELETE FROM operation_live WHERE operation = \(operation)),
            slot AS (
                UPDATE slots SET operation = NULL, epoch = NULL WHERE operation = \(operation)
            ), guard AS (DELETE FROM guards WHERE operation = \(operation))
            INSERT INTO operation_end (operation, epoch, state, result, failure, cancel_confirmed)
            VALUES (\(operation), \(epoch), \(ending.state.rawValue), \(result)::jsonb,
                \(failure)::jsonb, \(isConfirmed))
            """)
    }

    /// Gives an operation's slots back.
    func releaseSlots(of operation: OperationID) async throws {
        // 13.
        try await transaction.query(
            "UPDATE slots SET operation = NULL, epoch = NULL WHERE operation = \(operation)")
    }
}
