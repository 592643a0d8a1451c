import Postgres
import Shared

/// Progress messages: a bounded ring and the latest; unlogged, so that losing them loses nothing.
struct ProgressStore: Sendable {
    let transaction: PostgresTransaction

    /// How many messages are kept of an operation that is parked.
    static let noteRing = 100

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    /// Stores what a heartbeat brought, at most once a second for an operation unless its phase
    /// changed; work that moved keeps its lease from being taken back.
    func store(_ held: [HeldLease], session: SessionID) async throws {
        let moving = held.filter { $0.progress != nil }
        guard !moving.isEmpty else { return }
        let operations = moving.map(\.operation.uuid)
        let epochs = moving.map(\.epoch)
        let documents = try moving.map { try JSON.text($0.progress) }
        // 1. Only of operations that the session has this very lease of.
        try await transaction.query(
            """
            WITH news AS MATERIALIZED (
                SELECT h.operation, h.progress::jsonb AS progress,
                    nextval('operation_sequence') AS sequence,
                    l.progress IS NULL OR h.progress::jsonb - 'time' - 'rate' - 'etaSeconds'
                        <> l.progress - 'time' - 'rate' - 'etaSeconds' AS has_moved
                FROM unnest(\(operations)::text[]::uuid[], \(epochs)::bigint[],
                    \(documents)::text[]) AS h (operation, epoch, progress)
                JOIN operation_run r ON r.operation = h.operation AND r.epoch = h.epoch
                    AND r.session = \(session)
                LEFT JOIN operation_progress_latest l ON l.operation = h.operation
                WHERE l.operation IS NULL OR l.updated_at < clock_timestamp() - interval '900 ms'
                    OR l.progress->>'phase' <> h.progress::jsonb->>'phase'
            ), latest AS (
                INSERT INTO operation_progress_latest (operation, sequence, progress)
                SELECT operation, sequence, progress FROM news
                ON CONFLICT (operation) DO UPDATE SET sequence = excluded.sequence,
                    progress = excluded.progress, updated_at = clock_timestamp()
            ), moved AS (
                UPDATE operation_run r SET progress_at = clock_timestamp()
                FROM (SELECT x.operation FROM operation_run x JOIN news n USING (operation)
                    WHERE n.has_moved FOR UPDATE OF x SKIP LOCKED) AS m
                WHERE r.operation = m.operation
            )
            INSERT INTO operation_progress (operation, sequence, progress)
            SELECT operation, sequence, progress FROM news
            """)
    }

    /// Keeps the newest messages of each operation that a session reports on.
    func trim(_ held: [HeldLease], keeping count: Int) async throws {
        let operations = held.filter { $0.progress != nil }.map(\.operation.uuid)
        guard !operations.isEmpty else { return }
        // 2.
        try await transaction.query(
            """
            DELETE FROM operation_progress p USING unnest(\(operations)::text[]::uuid[])
                AS h (operation)
            WHERE p.operation = h.operation AND p.sequence <= (
                SELECT x.sequence FROM operation_progress x WHERE x.operation = h.operation
                ORDER BY x.sequence DESC OFFSET \(count) LIMIT 1)
            """)
    }

    /// The kept messages of an operation and its children behind a position, oldest first, as far as
    /// none can come in between any more.
    ///
    /// - Parameter patienceMilliseconds: how long a message is held back at most.
    /// - Returns: the messages, and whether others are held back.
    func entries(
        of operation: OperationID, after position: ProgressPosition,
        patienceMilliseconds: Int64 = 5000
    ) async throws -> (entries: [ProgressEntry], isHeldBack: Bool) {
        // 3. What was written by transactions before all that still run is all there.
        let result = try await transaction.query(
            """
            SELECT xid::text::bigint AS writer, sequence, progress,
                xid < pg_snapshot_xmin(pg_current_snapshot()) OR stored_at < clock_timestamp()
                    - \(patienceMilliseconds) * interval '1 millisecond' AS is_settled
            FROM operation_progress
            WHERE (xid, sequence) > (\(position.writer)::text::xid8, \(position.sequence))
                AND (operation = \(operation) OR operation IN (
                    SELECT id FROM operations WHERE parent = \(operation)))
            ORDER BY xid, sequence LIMIT 1000
            """)
        let settled = try result.rows.prefix { try $0.decode("is_settled") }
        let entries = try settled.map { row in
            ProgressEntry(
                position: ProgressPosition(
                    writer: try row.decode("writer"), sequence: try row.decode("sequence")),
                progress: try row.decode("progress", as: JSONColumn<Progress>.self).value)
        }
        return (entries, settled.count < result.rows.count)
    }

    /// Stores what an operation that is parked says of itself, at most once a second unless its
    /// phase changed or it is done.
    func note(_ progress: Progress, of operation: OperationID) async throws {
        let document = try JSON.text(progress)
        let isDone = progress.done == progress.total
        // 5.
        try await transaction.query(
            """
            WITH news AS MATERIALIZED (
                SELECT \(operation)::uuid AS operation, \(document)::jsonb AS progress,
                    nextval('operation_sequence') AS sequence
                WHERE NOT EXISTS (SELECT FROM operation_progress_latest l
                    WHERE l.operation = \(operation)
                        AND l.progress - 'time' = \(document)::jsonb - 'time')
                    AND (\(isDone) OR NOT EXISTS (SELECT FROM operation_progress_latest l
                        WHERE l.operation = \(operation)
                            AND l.updated_at > clock_timestamp() - interval '900 ms'
                            AND l.progress->>'phase' = \(document)::jsonb->>'phase'))
            ), latest AS (
                INSERT INTO operation_progress_latest (operation, sequence, progress)
                SELECT operation, sequence, progress FROM news
                ON CONFLICT (operation) DO UPDATE SET sequence = excluded.sequence,
                    progress = excluded.progress, updated_at = clock_timestamp()
            ), old AS (
                DELETE FROM operation_progress p WHERE p.operation = \(operation)
                    AND p.sequence <= (SELECT x.sequence FROM operation_progress x
                        WHERE x.operation = \(operation)
                        ORDER BY x.sequence DESC OFFSET \(Self.noteRing) LIMIT 1)
            )
            INSERT INTO operation_progress (operation, sequence, progress)
            SELECT operation, sequence, progress FROM news
            """)
    }

    /// Whether messages behind what a reader saw last may be gone: of an operation or of one of its
    /// children so many came that nothing older is kept, or nothing at all is kept of what was seen.
    ///
    /// - Parameter ring: how many are kept of one operation at least, where there were so many.
    func hasTrimmed(
        _ operation: OperationID, since sequence: Int64, ring: Int = noteRing
    ) async throws -> Bool {
        // 6.
        let result = try await transaction.query(
            """
            WITH kept AS (
                SELECT operation, min(sequence) AS first, max(sequence) AS last, count(*) AS count
                FROM operation_progress
                WHERE operation = \(operation) OR operation IN (
                    SELECT id FROM operations WHERE parent = \(operation))
                GROUP BY operation
            )
            SELECT coalesce(bool_or(count >= \(ring) AND first > \(sequence))
                OR max(last) > \(sequence) AND min(first) > \(sequence), false) AS has_trimmed
            FROM kept
            """)
        return try result.one().decode("has_trimmed")
    }

    /// Forgets messages of operations that ended a day ago.
    func sweep() async throws {
        // 4.
        try await transaction.query(
            """
            WITH old AS (
                DELETE FROM operation_progress_latest l USING operation_end e
                WHERE e.operation = l.operation
                    AND e.finished_at < clock_timestamp() - interval '1 day'
                RETURNING l.operation
            )
            DELETE FROM operation_progress p USING old WHERE p.operation = old.operation
            """)
    }
}
