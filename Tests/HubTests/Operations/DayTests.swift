import Postgres
import Shared
import Testing

@testable import Hub

@Suite("The days of operations", .timeLimit(.minutes(2)))
struct DayTests {
    private static let day: Int64 = 86_400_000

    /// An operation that was made so many days ago, and has ended unless it is `alive`.
    private func operation(
        _ engine: Engine, _ host: HostID, daysAgo: Int64, parent: OperationID? = nil,
        alive: Bool
    ) async throws -> OperationID {
        let now = engine.identifiers.currentTime.milliseconds
        var random = SeededNumbers(seed: UInt64(daysAgo) &+ (alive ? 7 : 0))
        let id = OperationID(
            milliseconds: now - daysAgo * Self.day, random: (random.next(), random.next()))
        try await engine.changes.run { change in
            _ = try await OperationStore(change.transaction).create(
                NewOperation(
                    id: id, kind: .hostCheck, scopeKind: .host, scope: host.uuid, project: nil,
                    lane: host.uuid, input: .object([:]), createdBy: "test", parent: parent,
                    root: parent ?? id, childKey: parent.map { _ in "part" }))
            if !alive {
                let transitions = OperationTransitions(change.transaction)
                _ = try await transitions.leaveQueue(id)
                try await transitions.end(
                    id, epoch: nil, lease: nil, .none, .succeeded(nil))
            }
        }
        return id
    }

    /// As if the hub had run on those days.
    private func makePast(_ engine: Engine, days: Int) async throws {
        try await engine.pool.query("DELETE FROM operation_days WHERE suffix <> '_early'")
        for table in ["operations", "operation_end", "operation_attempt"] {
            let parts = try await engine.pool.query(
                """
                SELECT c.relname::text AS name FROM pg_inherits i
                JOIN pg_class c ON c.oid = i.inhrelid
                WHERE i.inhparent = \(table)::text::regclass
                """)
            for row in parts.rows {
                let name = try row.decode("name", as: String.self)
                try await engine.pool.query("DROP TABLE \(identifier: name)")
            }
        }
        try await engine.pool.query("DELETE FROM operation_days")
        for back in stride(from: days, through: 0, by: -1) {
            for table in ["operations", "operation_end", "operation_attempt"] {
                try await engine.pool.withConnection { connection in
                    try await connection.execute(
                        script: """
                            DO $$ DECLARE d date := current_date - \(back); BEGIN
                            EXECUTE format('CREATE TABLE %I PARTITION OF \(table)
                                FOR VALUES FROM (%L) TO (%L)', '\(table)_' || to_char(d, 'YYYYMMDD'),
                                first_operation(d), first_operation(d + 1));
                            END $$
                            """)
                }
            }
            try await engine.pool.query(
                """
                INSERT INTO operation_days SELECT first_operation(d), first_operation(d + 1),
                    to_char(d, '_YYYYMMDD') FROM (SELECT current_date - \(back)::integer AS d) x
                """)
        }
    }

    @Test("old ones go as a whole, but for those of a living tree; the newest stay")
    func retention() async throws {
        let engine = try await Engine()
        let host = try await engine.host("alpha")
        try await makePast(engine, days: 45)
        let old = try await operation(engine, host, daysAgo: 44, alive: false)
        let root = try await operation(engine, host, daysAgo: 40, alive: true)
        let child = try await operation(
            engine, host, daysAgo: 38, parent: root, alive: false)
        let young = try await operation(engine, host, daysAgo: 3, alive: false)
        let dropped = try await engine.changes.run { change in
            var dropped = 0
            for _ in 0..<4 {
                dropped += try await OperationDays(change.transaction).drop(olderThanDays: 30)
            }
            return dropped
        }
        #expect(dropped >= 10)
        #expect(try await engine.service.describe(old) == nil)
        #expect(try await engine.service.describe(root)?.children == [child])
        #expect(try await engine.service.describe(child)?.state == .succeeded)
        #expect(try await engine.service.describe(young)?.state == .succeeded)
        _ = try await engine.service.cancel(root, by: engine.author)
        _ = try await engine.changes.run { change in
            try await OperationDays(change.transaction).drop(olderThanDays: 30)
        }
        #expect(try await engine.service.describe(root) == nil)
        #expect(try await engine.service.describe(child) == nil)
    }

    @Test("are made ahead, by several hubs at once, and again without effect")
    func ahead() async throws {
        let engine = try await Engine()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<6 {
                group.addTask {
                    try await engine.changes.run { change in
                        try await OperationDays(change.transaction).make(ahead: 20)
                    }
                }
            }
            try await group.waitForAll()
        }
        let days = try await engine.pool.query(
            "SELECT count(*) AS n FROM operation_days WHERE suffix <> '_early'")
        #expect(try days.one().decode("n", as: Int.self) == 21)
        let late = try await engine.pool.query(
            """
            SELECT count(*) AS n FROM operation_days a
            WHERE a.suffix <> '_early' AND NOT EXISTS (SELECT FROM operation_days b
                WHERE b.beyond = a.first)
            """)
        #expect(try late.one().decode("n", as: Int.self) == 0)
    }

    @Test("a body and an end never change")
    func immutable() async throws {
        let engine = try await Engine()
        let host = try await engine.host("alpha")
        _ = try await operation(engine, host, daysAgo: 0, alive: false)
        for statement in [
            "UPDATE operations SET created_by = 'mallory'", "DELETE FROM operations",
            "UPDATE operation_end SET state = 'expired'", "DELETE FROM operation_end",
        ] {
            await #expect(throws: PostgresError.self) {
                try await engine.pool.withConnection { try await $0.execute(script: statement) }
            }
        }
    }

    @Test("an operation cannot be in two places, nor in one that has ended")
    func onePlace() async throws {
        let engine = try await Engine()
        let host = try await engine.host("alpha")
        let live = try await operation(engine, host, daysAgo: 0, alive: true)
        let ended = try await operation(engine, host, daysAgo: 1, alive: false)
        for id in [live, ended] {
            await #expect(throws: PostgresError.self) {
                try await engine.pool.withTransaction { transaction in
                    try await OperationTransitions(transaction).park(
                        id, .none, reason: .children, sentence: "x", wakeAfterMilliseconds: nil)
                }
            }
        }
        await #expect(throws: PostgresError.self) {
            try await engine.pool.withTransaction { transaction in
                try await transaction.query(
                    "INSERT INTO operation_end (operation, state) VALUES (\(live), 'succeeded')")
            }
        }
    }
}
