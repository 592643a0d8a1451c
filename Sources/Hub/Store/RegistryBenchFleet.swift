import Postgres
import Shared

/// Hosts that report on their volumes, in batches of fifty.
struct BenchFleet: Sendable {
    struct Host: Sendable {
        var id: HostID
        var ledger: LedgerID
        var projects: [ProjectID]
    }

    let hosts: [Host]

    /// Takes hosts of a filled fleet with fifty of their volumes each.
    init(pool: PostgresPool, hosts count: Int) async throws {
        let rows = try await pool.query(
            """
            SELECT h.id, h.ledger, a.projects FROM (
                SELECT id, ledger FROM hosts ORDER BY name LIMIT \(count)) h
            CROSS JOIN LATERAL (SELECT array_agg(project::text) AS projects FROM (
                SELECT s.project FROM project_standing s
                WHERE s.host = h.id AND s.is_provisioned ORDER BY s.project LIMIT 50) p) a
            """
        ).rows
        hosts = try rows.map { row in
            Host(
                id: try row.decode("id"), ledger: try row.decode("ledger"),
                projects: try row.decode("projects", as: [String].self).compactMap {
                    ProjectID(uuid: $0)
                })
        }
    }

    /// The next batch of a host: every volume has been written to, and each fifth went from clean
    /// to dirty or back.
    func batch(
        of number: Int, round: Int64, session: SessionID
    ) -> (ReportsRequest, HostID) {
        let host = hosts[number]
        let first = round * Int64(host.projects.count)
        let time = Timestamp(milliseconds: 1_790_000_000_000 + round * 1000)
        let reports = host.projects.enumerated().map { index, project in
            let isDirty = index % 5 == 0 && round % 2 == 0
            return Report(
                sequence: first + Int64(index) + 1, time: time,
                content: .volume(
                    VolumeObservation(
                        project: project, generation: 1, transid: 1000 + round,
                        coveredTransid: 900 + round, subvolume: "subvolume",
                        freshness: isDirty ? .dirty : .fresh,
                        firstChangeAt: isDirty ? time : nil,
                        runtime: .running, base: nil, isFrozen: false)))
        }
        return (ReportsRequest(session: session, ledger: host.ledger, reports: reports), host.id)
    }
}
