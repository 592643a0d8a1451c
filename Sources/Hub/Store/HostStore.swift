import Postgres
import Shared

/// Looks hosts up for decisions.
struct HostStore: Sendable {
    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    /// The host with exactly this name.
    func host(named name: String) async throws -> HostID? {
        // 1. Locked, so that two enrolments of one name follow each other.
        let result = try await transaction.query(
            "SELECT id FROM hosts WHERE name = \(name) AND removed_at IS NULL FOR UPDATE")
        return try result.first?.decode("id")
    }

    /// A host for a new project: ready, without trouble, with the most free space.
    func roomiest() async throws -> HostID? {
        // 2.
        let result = try await transaction.query(
            """
            SELECT h.id FROM hosts h JOIN host_status s ON s.host = h.id
            WHERE h.is_schedulable AND h.removed_at IS NULL AND s.status->>'trouble' IS NULL
                AND EXISTS (SELECT FROM sessions x WHERE x.host = h.id AND x.ended_at IS NULL
                    AND x.lease_until > (SELECT judged_at()) AND x.started_at <= s.seen_at)
            ORDER BY (s.status->>'freeBytes')::bigint DESC, h.id LIMIT 1
            """)
        return try result.first?.decode("id")
    }

    /// The name and region of a host, and whether projects may be placed on it, which stays so until
    /// the transaction ends.
    func place(_ id: HostID) async throws -> (name: String, region: String, isOpen: Bool)? {
        // 3.
        let result = try await transaction.query(
            """
            SELECT name, region, is_schedulable FROM hosts
            WHERE id = \(id) AND removed_at IS NULL FOR SHARE
            """)
        return try result.first.map { row in
            (
                name: try row.decode("name"), region: try row.decode("region"),
                isOpen: try row.decode("is_schedulable")
            )
        }
    }
}
