import Platform
import Postgres
import Shared
import Testing

@testable import Hub

@Suite("The event log", .timeLimit(.minutes(2)))
struct LogTests {
    /// An engine with some events of both forms of hash.
    private func engine() async throws -> Engine {
        let engine = try await Engine()
        // As the hub before this one appended.
        for number in 0..<3 {
            try await engine.pool.query(
                """
                SELECT append_event('old.event', 1::smallint, NULL, NULL, 'test', NULL, NULL,
                    now(), jsonb_build_object('number', \(number)::int))
                """)
        }
        let load = try await RegistryLoad(engine, label: "host")
        var random = Random()
        for number in 0..<1 { try await load.live("p-\(number)", random: &random) }
        return engine
    }

    private func verify(
        _ engine: Engine, anchor: LogVerification.Anchor? = nil
    ) async throws -> LogVerification.Outcome {
        try await engine.asOwner {
            try await LogVerification(connection: $0).run(anchor: anchor)
        }
    }

    @Test("a log that nobody touched is whole, and its sequence has no gap")
    func whole() async throws {
        let engine = try await engine()
        let count = try await engine.pool.query("SELECT count(*) AS n FROM events").one()
            .decode("n", as: Int64.self)
        guard case .whole(let head) = try await verify(engine) else {
            Issue.record("the log is not whole")
            return
        }
        #expect(head.sequence == count)
        let anchor = try #require(
            LogVerification.Anchor("\(head.sequence):\(hexadecimal(head.hash))"))
        #expect(try await verify(engine, anchor: anchor) == .whole(head))
    }

    @Test(
        "the first changed event is named, whatever was changed in it",
        arguments: [
            "payload = payload || '{\"x\": 1}'", "actor = 'mallory'",
            "time = time + interval '1 ms'",
            "type = 'host.painted'", "version = 2", "reason = ''", "host = project, project = host",
            "request = gen_random_uuid()", "timeline = gen_random_uuid()", "form = 1",
            "hash = sha256(hash)",
        ])
    func changed(change: String) async throws {
        let engine = try await engine()
        try await engine.tamper("UPDATE events SET \(change) WHERE sequence IN (8, 12)")
        let type = try await engine.pool.query("SELECT type FROM events WHERE sequence = 8").one()
            .decode("type", as: String.self)
        #expect(try await verify(engine) == .changed(sequence: 8, type: type))
    }

    @Test("missing events are named: at the beginning, in the middle, at the end, and all of them")
    func missing() async throws {
        for (condition, first, count) in [
            ("sequence = 1", 1, 1), ("sequence BETWEEN 7 AND 9", 7, 3), ("sequence >= 11", 11, nil),
            ("true", 1, nil),
        ] as [(String, Int64, Int64?)] {
            let engine = try await engine()
            let last = try await engine.pool.query("SELECT sequence FROM event_counter").one()
                .decode("sequence", as: Int64.self)
            try await engine.tamper("DELETE FROM events WHERE \(condition)")
            #expect(
                try await verify(engine)
                    == .missing(first: first, last: count.map { first + $0 - 1 } ?? last))
        }
    }

    @Test("a chain that was made anew as a whole does not pass for the one that was noted")
    func rewritten() async throws {
        let engine = try await engine()
        guard case .whole(let head) = try await verify(engine) else {
            Issue.record("the log is not whole")
            return
        }
        let anchor = try #require(
            LogVerification.Anchor("\(head.sequence):\(hexadecimal(head.hash))"))
        try await engine.tamper(
            """
            UPDATE events SET actor = 'mallory' WHERE sequence = 5;
            DO $$ declare r record; h bytea := ''; begin
                for r in select * from events order by sequence loop
                    h := event_hash(h, r.form, r.sequence, r.timeline, r.type, r.version, r.project,
                        r.host, r.actor, r.reason, r.request, r.time, r.payload);
                    update events set hash = h where sequence = r.sequence;
                end loop;
                update event_counter set hash = h;
            end $$
            """)
        guard case .whole = try await verify(engine) else {
            Issue.record("the new chain is not whole")
            return
        }
        #expect(try await verify(engine, anchor: anchor) == .rewritten(anchor))
    }

    @Test(
        "the hub's role can do its work and cannot alter the log",
        arguments: [
            "UPDATE events SET actor = 'x'", "DELETE FROM events", "TRUNCATE events",
            "INSERT INTO events SELECT * FROM events LIMIT 1",
            "UPDATE event_counter SET sequence = 0", "DELETE FROM event_counter",
            "ALTER TABLE events DISABLE TRIGGER ALL", "DROP TABLE events",
            "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
                + "$$ begin return new; end $$",
            "DELETE FROM schema_migrations", "SET ROLE postgres",
        ])
    func role(statement: String) async throws {
        let engine = try await Engine()
        try await engine.asOwner { connection in
            let role = HubRole(connection: connection)
            try await role.make("berth_hub")
            try await role.make("berth_hub")
            try await role.grant(to: "berth_hub")
        }
        var options = engine.options
        options.parameters["user"] = "berth_hub"
        let pool = PostgresPool(options)
        let changes = ChangeRunner(pool: pool, bell: engine.bell)
        try await changes.run { change in
            try await change.record(
                .hostExpected(
                    HostExpected(
                        host: engine.identifiers.make(HostIdentity.self), name: "h", region: "r")))
        }
        let error = await #expect(throws: PostgresError.self) {
            try await pool.query(PostgresQuery(stringLiteral: statement))
        }
        // insufficient_privilege
        #expect(error?.sqlState == "42501", "\(String(describing: error))")
        await pool.close()
    }

    @Test("a connection of the hub has its limits")
    func timeouts() async throws {
        let engine = try await Engine()
        let row = try await engine.pool.query(
            """
            SELECT current_setting('statement_timeout') AS statement,
                current_setting('lock_timeout') AS lock,
                current_setting('idle_in_transaction_session_timeout') AS idle
            """
        ).one()
        #expect(try row.decode("statement", as: String.self) == "30s")
        #expect(try row.decode("lock", as: String.self) == "10s")
        #expect(try row.decode("idle", as: String.self) == "1min")
    }
}
