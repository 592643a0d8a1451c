import Postgres
import Shared

/// Which events a reader of the feed wants.
struct EventFilter: Sendable {
    var project: ProjectID?
    var host: HostID?
    /// Whole types such as `copy.changed`, or things such as `copy`; empty for all.
    var types: [String] = []

    /// Whether an event is wanted; `EventReader` says the same in SQL.
    func accepts(_ event: EventDescription) -> Bool {
        (project == nil || event.project == project) && (host == nil || event.host == host)
            && (types.isEmpty
                || types.contains { event.type == $0 || event.type.hasPrefix($0 + ".") })
    }
}

/// Reads the log for the feed.
struct EventReader: Sendable {
    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    /// How many events one statement looks at, whatever the filter leaves of them.
    private static let window: Int64 = 10_000

    /// Some events of a part of the log, and how far it was looked at.
    struct Found: Sendable {
        var events: [EventDescription]
        var next: Int64
    }

    /// The last event there is, and which history it is of.
    func newest() async throws -> (sequence: Int64, timeline: TimelineID) {
        // 1.
        let row = try await transaction.query(
            """
            SELECT c.sequence, coalesce(h.history, h.timeline) AS timeline
            FROM event_counter c CROSS JOIN hub h
            """
        ).one()
        return (try row.decode("sequence"), try row.decode("timeline"))
    }

    /// The next events behind `after`, up to `newest`.
    ///
    /// Where the filter leaves little, the search ends after so many events that it stays quick;
    /// `next` says where to go on.
    func events(
        after: Int64, through newest: Int64, _ filter: EventFilter, limit: Int
    ) async throws -> Found {
        var sql: PostgresQuery = """
            SELECT sequence, type, version::int AS version, project, host, actor, reason, request,
                time, payload
            FROM events WHERE sequence > \(after)
            """
        var last = newest
        if let project = filter.project { sql.append(" AND project = \(project)") }
        if let host = filter.host { sql.append(" AND host = \(host)") }
        if filter.project == nil, filter.host == nil { last = min(newest, after + Self.window) }
        if !filter.types.isEmpty {
            sql.append(
                " AND (type = ANY(\(filter.types)) OR split_part(type, '.', 1) = ANY(\(filter.types)))"
            )
        }
        // 2. By the index of the project or host, or by the sequence itself.
        let result = try await transaction.query(
            "\(fragment: sql) AND sequence <= \(last) ORDER BY sequence LIMIT \(limit)")
        let events = try result.rows.map(description)
        return Found(
            events: events,
            next: events.count == limit ? events.last?.sequence ?? last : max(after, last))
    }

    /// The last event that is older than the feed offers: the binary search asks for about one row
    /// a doubling of the log.
    func floor(newest: Int64, keepingSeconds: Int64) async throws -> Int64 {
        var low: Int64 = 0
        var high = newest
        while low < high {
            let middle = low + (high - low + 1) / 2
            // 3.
            let result = try await transaction.query(
                """
                SELECT time < now() - make_interval(secs => \(keepingSeconds)) AS is_old
                FROM events WHERE sequence = \(middle)
                """)
            if try result.first?.decode("is_old") ?? true {
                low = middle
            } else {
                high = middle - 1
            }
        }
        return low
    }

    private func description(_ row: PostgresRow) throws -> EventDescription {
        EventDescription(
            sequence: try row.decode("sequence"), type: try row.decode("type"),
            version: try row.decode("version"), project: try row.decode("project"),
            host: try row.decode("host"), actor: try row.decode("actor"),
            reason: try row.decode("reason"), request: try row.decode("request"),
            time: try row.decode("time"),
            payload: try row.decode("payload", as: JSONColumn<JSONValue>.self).value)
    }
}
