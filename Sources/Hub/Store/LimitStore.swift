import Postgres
import Shared

/// Limits on how much runs at once: so many rows of `slots` each, taken with SKIP LOCKED and never
/// counted, so that they are exact.
struct LimitStore: Sendable {
    /// Held by whoever gives out work, and taken alone by a change: it sees all that was given out.
    static let lock: Int64 = 0x6265_7274_686c_696d

    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    /// The limit of a resource, and whether all its places are there; nil when there is none.
    func places(
        _ resource: String
    ) async throws -> (count: Int, isDefault: Bool, isFit: Bool)? {
        // 1.
        let result = try await transaction.query(
            """
            SELECT m.places, m.is_default, m.places = (SELECT count(*) FROM slots s
                WHERE s.resource = m.resource AND s.number <= m.places) AS is_fit
            FROM limits m WHERE m.resource = \(resource)
            """)
        return try result.first.map {
            (try $0.decode("places"), try $0.decode("is_default"), try $0.decode("is_fit"))
        }
    }

    /// Writes a limit down; from its commit on nobody is given work by the old one.
    ///
    /// A default never takes the place of what somebody set.
    func write(
        _ resource: String, places: Int, isDefault: Bool, by actor: String, reason: String?
    ) async throws {
        // 2.
        try await transaction.query(
            """
            INSERT INTO limits (resource, places, is_default, changed_by, reason)
            VALUES (\(resource), \(places), \(isDefault), \(actor), \(reason))
            ON CONFLICT (resource) DO UPDATE SET places = excluded.places,
                is_default = excluded.is_default, changed_at = clock_timestamp(),
                changed_by = excluded.changed_by, reason = excluded.reason
            WHERE limits.is_default OR NOT excluded.is_default
            """)
    }

    /// Takes a limit away.
    func remove(_ resource: String) async throws {
        // 3.
        try await transaction.query("DELETE FROM limits WHERE resource = \(resource)")
    }

    /// Lets nobody give out work by what they knew before.
    func raiseVersion() async throws {
        // 4.
        try await transaction.query("UPDATE limit_version SET version = version + 1")
    }

    /// Keeps what was changed and by whom.
    func note(
        _ resource: String, before: Int?, after: Int?, by actor: String, reason: String?
    ) async throws {
        // 5.
        try await transaction.query(
            """
            INSERT INTO limit_changes (resource, before, after, changed_by, reason)
            VALUES (\(resource), \(before), \(after), \(actor), \(reason))
            """)
    }

    /// Waits until nobody gives out work, and lets nobody begin until the transaction ends.
    func keepClaimsOut() async throws {
        // 6.
        try await transaction.query("SELECT pg_advisory_xact_lock(\(Self.lock))")
    }

    /// Makes the resource's places as many as its limit says, and seats in them what runs without
    /// one.
    ///
    /// Never takes a place from its holder: one too many goes when it is free.
    func fit(_ resource: String) async throws {
        // 7. What has begun and holds no place; a workflow holds its own until its end.
        try await transaction.query(
            """
            WITH holders AS (
                SELECT l.operation, coalesce(r.epoch, 0) AS epoch,
                    row_number() OVER (ORDER BY l.operation) AS place
                FROM operation_live l
                LEFT JOIN operation_run r ON r.operation = l.operation
                WHERE \(resource)::text = ANY(operation_resources(l.kind, l.lane, l.bucket))
                    AND (r.operation IS NOT NULL OR l.is_workflow AND EXISTS (
                        SELECT FROM operation_workflow w WHERE w.operation = l.operation))
                    AND EXISTS (SELECT FROM limits WHERE resource = \(resource)::text)
                    AND NOT EXISTS (SELECT FROM slots s
                        WHERE s.resource = \(resource)::text AND s.operation = l.operation)
            ), numbers AS (
                SELECT n, row_number() OVER (ORDER BY n) AS place
                FROM generate_series(1, (SELECT count(*) FROM holders) + (SELECT
                    coalesce(max(number), 0) FROM slots WHERE resource = \(resource)::text)) n
                WHERE NOT EXISTS (SELECT FROM slots s WHERE s.resource = \(resource)::text
                    AND s.number = n AND s.operation IS NOT NULL)
            )
            INSERT INTO slots AS s (resource, number, operation, epoch)
            SELECT \(resource)::text, n.n, h.operation, h.epoch FROM holders h
            JOIN numbers n USING (place)
            ON CONFLICT (resource, number) DO UPDATE SET operation = excluded.operation,
                epoch = excluded.epoch
            """)
        // 8.
        try await transaction.query(
            """
            INSERT INTO slots (resource, number)
            SELECT resource, n FROM limits, generate_series(1, places) AS n
            WHERE resource = \(resource) ON CONFLICT DO NOTHING
            """)
        // 9.
        try await transaction.query(
            """
            DELETE FROM slots s WHERE s.resource = \(resource) AND s.operation IS NULL
                AND s.number > coalesce((SELECT places FROM limits m
                    WHERE m.resource = \(resource)), 0)
            """)
        // 10. Without a limit nobody holds a place.
        try await transaction.query(
            """
            DELETE FROM slots s WHERE s.resource = \(resource)
                AND NOT EXISTS (SELECT FROM limits m WHERE m.resource = \(resource))
            """)
    }

    /// Resources whose places are not as many as their limit says.
    func unfit() async throws -> [String] {
        // 11.
        let result = try await transaction.query(
            """
            SELECT m.resource FROM limits m
            WHERE m.places > (SELECT count(*) FROM slots s WHERE s.resource = m.resource
                    AND s.number <= m.places)
                OR EXISTS (SELECT FROM slots s WHERE s.resource = m.resource
                    AND s.number > m.places AND s.operation IS NULL)
            UNION
            SELECT s.resource FROM slots s
            WHERE NOT EXISTS (SELECT FROM limits m WHERE m.resource = s.resource)
            """)
        return try result.rows.map { try $0.decode("resource") }
    }

    /// All limits with what uses them: first those that somebody set.
    func list() async throws -> [LimitDescription] {
        // 12.
        let result = try await transaction.query(
            """
            SELECT m.resource, m.places, m.is_default, m.changed_at, m.changed_by, m.reason,
                (SELECT count(*) FROM slots s WHERE s.resource = m.resource
                    AND s.operation IS NOT NULL) AS used,
                coalesce(h.name, b.name) AS name
            FROM limits m
            LEFT JOIN hosts h ON m.resource LIKE 'host:%'
                AND h.id::text = split_part(m.resource, ':', 2)
            LEFT JOIN buckets b ON m.resource LIKE 'bucket:%'
                AND b.id::text = split_part(m.resource, ':', 2)
            ORDER BY m.is_default, m.resource LIMIT 10000
            """)
        return try result.rows.map { row in
            LimitDescription(
                resource: try row.decode("resource"), name: try row.decode("name"),
                places: try row.decode("places"), used: try row.decode("used"),
                isDefault: try row.decode("is_default"), changedAt: try row.decode("changed_at"),
                changedBy: try row.decode("changed_by"), reason: try row.decode("reason"))
        }
    }
}
