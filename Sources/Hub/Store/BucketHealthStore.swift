import Postgres
import Shared

/// How buckets fare in use, and which operations wait for them.
struct BucketHealthStore: Sendable {
    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    /// What is known of a bucket that does not work.
    struct Trouble: Sendable {
        let bucket: BucketID
        let name: String
        let isPaused: Bool
        let code: String
        let since: Timestamp
        let failing: Duration
        let reason: String
        let nextTryAt: Timestamp
        /// How long until the next try.
        let wait: Duration

        /// Whether there is no use in beginning anything: what is in a full bucket can be read.
        func refuses(writing: Bool) -> Bool { isPaused && (writing || code != "bucket-full") }
    }

    /// The waits between tries, in milliseconds, shared by all who use the bucket.
    ///
    /// The last one repeats; each varies by a fifth.
    private static let waits: PostgresQuery = "ARRAY[0, 5000, 10000, 20000, 40000, 60000]"
    /// The least wait for a bucket that is full: each try writes a whole pack.
    static let fullWait = Duration.seconds(60)

    /// The bucket that a project's backups are in, or will be.
    func bucket(of project: ProjectID) async throws -> BucketID? {
        if let repository = try await BucketStore(transaction).repository(of: project) {
            return repository.bucket.id
        }
        return try await BucketStore(transaction).route(project).bucket?.id
    }

    /// What is wrong with a bucket; nil while it works.
    ///
    /// - Parameter holding: keeps it from being said to work until the transaction ends: who begins
    ///   to wait for that is then among those who are woken.
    func trouble(of bucket: BucketID, holding: Bool = false) async throws -> Trouble? {
        let lock: PostgresQuery = holding ? "FOR UPDATE OF h" : ""
        // 1.
        let result = try await transaction.query(
            """
            SELECT h.*, b.name, greatest(0, extract(epoch FROM next_try_at - clock_timestamp())
                * 1000)::bigint AS wait
            FROM bucket_health h JOIN buckets b ON b.id = h.bucket WHERE h.bucket = \(bucket)
            \(fragment: lock)
            """)
        return try result.first.map { row in
            Trouble(
                bucket: try row.decode("bucket"), name: try row.decode("name"),
                isPaused: try row.decode("state", as: String.self) == "paused",
                code: try row.decode("code"),
                since: try row.decode("since"),
                failing: .milliseconds(try row.decode("failing_milliseconds", as: Int64.self)),
                reason: try row.decode("reason"), nextTryAt: try row.decode("next_try_at"),
                wait: .milliseconds(try row.decode("wait", as: Int64.self)))
        }
    }

    /// Notes a failure.
    ///
    /// Failures before the next try is due are those of others who were on their way: they count,
    /// and change nothing else. A clock that went back is no such pause.
    func fails(
        _ bucket: BucketID, code: String, reason: String, isPausing: Bool
    ) async throws {
        let state = isPausing ? "paused" : "failing"
        let least = code == "bucket-full" ? Self.fullWait.milliseconds : 0
        // 2.
        try await transaction.query(
            """
            INSERT INTO bucket_health AS h (bucket, state, since, failures, steps,
                failing_milliseconds, code, reason, failed_at, wait_milliseconds, next_try_at)
            SELECT \(bucket)::uuid, \(state), t.now, 1, 1, 0, \(code), \(reason), t.now, \(least),
                t.now + \(least) * interval '1 millisecond'
            FROM (SELECT date_trunc('milliseconds', clock_timestamp()) AS now) t
            ON CONFLICT (bucket) DO UPDATE SET
                failures = h.failures + 1, state = excluded.state, code = excluded.code,
                reason = excluded.reason
            """)
        // 3.
        try await transaction.query(
            """
            UPDATE bucket_health h SET steps = h.steps + 1, failed_at = s.now,
                failing_milliseconds = h.failing_milliseconds + greatest(h.wait_milliseconds,
                    least(extract(epoch FROM s.now - h.failed_at) * 1000,
                        h.wait_milliseconds + 600000))::bigint,
                wait_milliseconds = s.wait,
                next_try_at = s.now + s.wait * interval '1 millisecond'
            FROM (SELECT date_trunc('milliseconds', clock_timestamp()) AS now,
                    greatest(\(least), (\(fragment: Self.waits))[least(k.steps + 1, 6)]
                        * (0.8 + 0.4 * random()))::bigint AS wait
                FROM bucket_health k WHERE k.bucket = \(bucket)) s
            WHERE h.bucket = \(bucket) AND h.failures > 1
                AND (s.now >= h.next_try_at OR s.now < h.failed_at)
            """)
    }

    /// Notes that a bucket works.
    ///
    /// - Returns: the operations that waited for it; nil when nothing was wrong with it.
    func works(_ bucket: BucketID) async throws -> [OperationID]? {
        // 4.
        let known = try await transaction.query(
            "DELETE FROM bucket_health WHERE bucket = \(bucket)")
        // 5.
        let waiting = try await transaction.query(
            "DELETE FROM bucket_waits WHERE bucket = \(bucket) RETURNING operation")
        if known.affectedRows == 0, waiting.affectedRows == 0 { return nil }
        return try waiting.rows.map { try $0.decode("operation") }
    }

    /// Notes which bucket an operation waits for.
    func waits(_ operation: OperationID, for bucket: BucketID) async throws {
        // 6.
        try await transaction.query(
            """
            INSERT INTO bucket_waits (operation, bucket) VALUES (\(operation), \(bucket))
            ON CONFLICT (operation) DO UPDATE SET bucket = excluded.bucket
            """)
    }

    /// The operations that wait for a bucket, at most 100, the longest first.
    func waiting(for bucket: BucketID) async throws -> [OperationID] {
        // 7.
        let result = try await transaction.query(
            """
            SELECT w.operation FROM bucket_waits w JOIN operation_waiting o USING (operation)
            WHERE w.bucket = \(bucket) ORDER BY o.since, w.operation LIMIT 100
            """)
        return try result.rows.map { try $0.decode("operation") }
    }

    /// Takes those buckets to try that are due, so that one hub tries each: those that no operation
    /// tries by itself, because all of them are parked, or there is none.
    func due(every interval: Duration) async throws -> [BucketID] {
        // 8.
        let result = try await transaction.query(
            """
            UPDATE bucket_health SET
                next_try_at = clock_timestamp() + \(interval.milliseconds) * interval '1 millisecond'
            WHERE bucket IN (SELECT bucket FROM bucket_health h
                WHERE (next_try_at <= clock_timestamp() OR failed_at > clock_timestamp())
                    AND (state = 'paused' OR next_try_at < clock_timestamp() - interval '2 min'
                        OR EXISTS (SELECT FROM bucket_waits w WHERE w.bucket = h.bucket))
                FOR UPDATE SKIP LOCKED)
            RETURNING bucket
            """)
        return try result.rows.map { try $0.decode("bucket") }
    }

    /// The kind of an operation's first ancestor.
    func rootKind(of body: OperationBody) async throws -> OperationKind? {
        // 9.
        let result = try await transaction.query(
            "SELECT kind FROM operations WHERE id = \(body.root)")
        return try result.first.flatMap {
            OperationKind(rawValue: try $0.decode("kind", as: String.self))
        }
    }
}
