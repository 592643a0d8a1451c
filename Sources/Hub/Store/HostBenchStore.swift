import Postgres
import Shared

/// Fills a hub's database with hosts and their tokens for measuring, by SQL alone.
struct HostBenchStore: Sendable {
    let connection: PostgresConnection

    /// Hosts of these tokens, each with its ledger, and fifty projects on each of the first
    /// thousand.
    func fill(_ agents: [(host: HostID, ledger: LedgerID, hash: [UInt8])]) async throws {
        let hosts = agents.map(\.host.uuid)
        let ledgers = agents.map(\.ledger.uuid)
        let hashes = agents.map { PostgresBytesText.text($0.hash) }
        // 1.
        try await connection.query(
            """
            INSERT INTO hosts (id, name, region, enrolled_at, ledger, is_schedulable, created_at,
                version)
            SELECT host::uuid, 'bench-' || lpad(position::text, 5, '0'), 'default', now(),
                ledger::uuid, true, now(), 1
            FROM unnest(\(hosts)::text[], \(ledgers)::text[]) WITH ORDINALITY
                AS g (host, ledger, position)
            """)
        // 2.
        try await connection.query(
            """
            INSERT INTO tokens (id, kind, hash, name, host)
            SELECT gen_random_uuid(), 'host', decode(hash, 'hex'), 'bench', host::uuid
            FROM unnest(\(hosts)::text[], \(hashes)::text[]) AS g (host, hash)
            """)
        // 3.
        try await connection.query(
            """
            WITH h AS (SELECT id, row_number() OVER (ORDER BY name) AS n FROM hosts
                WHERE name LIKE 'bench-%' ORDER BY name LIMIT 1000),
            p AS (INSERT INTO projects (id, name, owner, region, uid, gid, runtime,
                    is_wanted_running, created_at, version)
                SELECT gen_random_uuid(), 'bench-' || i, 'bench', 'default', 200000 + i,
                    200000 + i, '{"command": [], "environment": {}, "stopGraceSeconds": 10}',
                    false, now(), 1
                FROM generate_series(1, (SELECT count(*) FROM h) * 50) i RETURNING id, uid)
            INSERT INTO placements (project, host, generation, is_provisioned, changed_at, version)
            SELECT p.id, h.id, 1, true, now(), 1 FROM p JOIN h ON h.n = 1 + (p.uid - 200001) / 50
            """)
        // 4.
        try await connection.execute(script: "VACUUM ANALYZE")
    }

    /// A token of an operator.
    func fillAdmin(_ hash: [UInt8]) async throws {
        // 7.
        try await connection.query(
            """
            INSERT INTO tokens (id, kind, hash, name)
            VALUES (gen_random_uuid(), 'admin', \(hash), 'bench')
            """)
    }

    /// Whether the server writes every statement to its log.
    func logStatements(_ isOn: Bool) async throws {
        let value = isOn ? "0" : "-1"
        // 5.
        try await connection.execute(
            script: "ALTER SYSTEM SET log_min_duration_statement = \(value)")
        // 6.
        try await connection.query("SELECT pg_reload_conf()")
    }
}

/// Bytes as hexadecimal text, for an array of them.
enum PostgresBytesText {
    static func text(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(
            decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] },
            as: UTF8.self)
    }
}
