import Postgres
import Shared

/// Which projects a page shows, in which order, and behind which one it begins.
struct ProjectQuery: Sendable {
    /// By what a page is ordered, and so what its cursor holds.
    enum Order: String, Sendable, CaseIterable {
        /// Age, the oldest first.
        case id
        case name
        /// How long the oldest change without a backup has waited, the longest first; only those
        /// of which that is known.
        case exposure
    }

    /// Whether the volume is there.
    enum Provisioned: String, Sendable, CaseIterable {
        case yes = "true"
        case no = "false"
        case unknown
    }

    var order = Order.id
    var host: HostID?
    var owner: String?
    /// What names begin with, and what they hold.
    var prefix: String?
    var search: String?
    var provisioned: Provisioned?
    var isRunning = false
    var freshness: Freshness?
    /// Only provisioned projects that no backup holds.
    var isWithoutBackup = false
    /// What the page before said; nil for the first page.
    var cursor: String?
    /// 1 to 1,000.
    var limit = 100

    /// The conditions, each one that an index answers.
    ///
    /// What is chosen from a few is text of the statement rather than a parameter, so that partial
    /// indexes fit and the plan knows how few rows a page has.
    ///
    /// - Throws: `Problem` 400 when the cursor is not one of this order.
    func conditions() throws -> PostgresQuery {
        var sql: PostgresQuery = "WHERE p.deleted_at IS NULL"
        if let host { sql.append(" AND s.host = \(host)") }
        if let owner { sql.append(" AND p.owner = \(owner)") }
        if let prefix {
            sql.append(
                " AND p.name COLLATE \"C\" >= \(prefix) AND p.name COLLATE \"C\" < \(prefix + "~")")
        }
        if let search { sql.append(" AND p.name LIKE \("%" + search + "%")") }
        switch provisioned {
        case nil: break
        case .yes: sql.append(" AND s.is_provisioned")
        case .no: sql.append(" AND NOT s.is_provisioned")
        case .unknown: sql.append(" AND s.is_provisioned IS NULL")
        }
        if isRunning { sql.append(" AND s.runtime = 'running'") }
        switch freshness {
        case nil: break
        case .fresh: sql.append(" AND s.freshness = 'fresh'")
        case .dirty: sql.append(" AND s.freshness = 'dirty'")
        case .unknown:
            sql.append(" AND s.freshness = 'unknown' AND s.is_provisioned IS NOT FALSE")
        }
        if isWithoutBackup { sql.append(" AND s.is_provisioned AND s.last_backup IS NULL") }
        try appendOrder(to: &sql)
        sql.append(PostgresQuery(stringLiteral: " LIMIT \(limit)"))
        return sql
    }

    private func appendOrder(to sql: inout PostgresQuery) throws {
        let wrong = Problem.invalidParameter("cursor", "must be nextCursor of the page before")
        switch order {
        case .id:
            if let cursor {
                guard let id = ProjectID(cursor) else { throw wrong }
                sql.append(" AND s.project > \(id)")
            }
            sql.append(" ORDER BY s.project")
        case .name:
            if let cursor { sql.append(" AND p.name COLLATE \"C\" > \(cursor)") }
            sql.append(" ORDER BY p.name COLLATE \"C\"")
        case .exposure:
            sql.append(" AND s.exposed_since IS NOT NULL")
            if let cursor {
                let parts = cursor.split(separator: ".", maxSplits: 1)
                guard parts.count == 2, let since = Int64(parts[0]),
                    let id = ProjectID(String(parts[1]))
                else { throw wrong }
                let time = Timestamp(milliseconds: since)
                sql.append(
                    " AND (s.exposed_since, s.project) > (\(time)::timestamptz, \(id)::uuid)")
            }
            sql.append(" ORDER BY s.exposed_since, s.project")
        }
    }
}
