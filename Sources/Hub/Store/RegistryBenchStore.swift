import Postgres

/// Fills a database with a fleet for measuring, by SQL alone: its numbers are the point, not its
/// history.
struct RegistryBenchStore: Sendable {
    let connection: PostgresConnection

    /// A fleet of so many hosts and projects, a tenth of them without a volume, a seventh dirty, a
    /// third running, one in a thousand never scanned, half of them with a backup.
    func fill(hosts: Int, projects: Int) async throws {
        let indexes = try await laterIndexes()
        for index in indexes {
            // 1. Made again below, at once, which is quicker than row by row.
            try await connection.query("DROP INDEX \(identifier: index.name)")
        }
        // 2.
        try await connection.execute(
            script: """
                SET maintenance_work_mem = '512MB';
                ALTER TABLE projects DISABLE TRIGGER USER; ALTER TABLE placements DISABLE TRIGGER USER;
                ALTER TABLE project_activity DISABLE TRIGGER USER;
                ALTER TABLE backups DISABLE TRIGGER USER;
                CREATE FUNCTION pg_temp.id(kind int, number bigint) RETURNS uuid IMMUTABLE
                    LANGUAGE sql AS $$ SELECT (lpad(to_hex(kind), 8, '0') || '00007000'
                        || lpad(to_hex(number), 16, '8000000000000000'))::uuid $$;
                INSERT INTO hub (timeline, keyring_check) VALUES (gen_random_uuid(), '\\x00');
                INSERT INTO hosts SELECT pg_temp.id(1, i), 'host-' || i, 'default', now(),
                    pg_temp.id(2, i), true, now(), NULL, 1 FROM generate_series(1, \(hosts)) i;
                INSERT INTO projects SELECT pg_temp.id(3, i),
                    (array['web', 'thesis', 'notes', 'lab', 'course'])[1 + i % 5] || '-'
                        || to_hex(i::bigint * 7919), 'owner-' || (i % 50000), 'default',
                    200000 + i, 200000 + i,
                    '{"command": ["/bin/serve"], "environment": {}, "stopGraceSeconds": 10}',
                    i % 3 = 0, now() - i * interval '1 second', NULL, 1
                    FROM generate_series(1, \(projects)) i;
                INSERT INTO placements SELECT pg_temp.id(3, i), pg_temp.id(1, 1 + (i / 10) % \(hosts)), 1,
                    CASE WHEN i % 1000 = 0 THEN NULL ELSE i % 10 <> 0 END, now(), 1
                    FROM generate_series(1, \(projects)) i;
                INSERT INTO buckets VALUES (pg_temp.id(4, 1), 'local', 'directory', 'default',
                    '{}', 'gateway', true, now(), NULL, 1);
                INSERT INTO repositories SELECT pg_temp.id(5, i), pg_temp.id(3, i), pg_temp.id(4, 1),
                    'p' || i, '3abc9bff07d9e5', now(), NULL, 1
                    FROM generate_series(1, \(projects), 2) i;
                INSERT INTO backups SELECT pg_temp.id(6, i), pg_temp.id(3, i), pg_temp.id(5, i),
                    repeat(md5('s' || i), 2), repeat(md5('t' || i), 2), now(), now(),
                    pg_temp.id(1, 1 + (i / 10) % \(hosts)), 1, pg_temp.id(7, i), 1, 1, 1, 1, '[]', '[]',
                    NULL, 1 FROM generate_series(1, \(projects), 2) i;
                INSERT INTO project_activity SELECT pg_temp.id(3, i),
                    pg_temp.id(1, 1 + (i / 10) % \(hosts)), 1, i, NULL, 's',
                    CASE WHEN i % 7 = 0 THEN 'dirty' ELSE 'fresh' END,
                    CASE WHEN i % 7 = 0 THEN date_trunc('milliseconds',
                        now() - (i % 86400) * interval '1 second') END,
                    CASE WHEN i % 3 = 0 THEN 'running' ELSE 'stopped' END, NULL, false, now()
                    FROM generate_series(1, \(projects)) i WHERE i % 10 <> 0;
                ALTER TABLE projects ENABLE TRIGGER USER; ALTER TABLE placements ENABLE TRIGGER USER;
                ALTER TABLE project_activity ENABLE TRIGGER USER;
                ALTER TABLE backups ENABLE TRIGGER USER;
                INSERT INTO project_standing SELECT * FROM project_standing_now;
                """)
        for index in indexes { try await connection.execute(script: index.definition) }
        try await connection.execute(script: "VACUUM ANALYZE")
        try await connection.execute(script: "CHECKPOINT")
    }

    private struct Index {
        let name: String
        let definition: String
    }

    /// The indexes of the big tables that hold no constraint.
    private func laterIndexes() async throws -> [Index] {
        // 3.
        let rows = try await connection.query(
            """
            SELECT c.relname::text AS name, pg_get_indexdef(c.oid) AS definition
            FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
            WHERE i.indrelid IN ('projects'::regclass, 'project_standing'::regclass)
                AND NOT i.indisprimary
                AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = c.oid)
            """
        ).rows
        return try rows.map {
            Index(name: try $0.decode("name"), definition: try $0.decode("definition"))
        }
    }
}
