import Platform
import SQLite
import Testing

@Suite("A database's schema", .timeLimit(.minutes(1)))
struct SQLiteMigrationTests {
    private let steps = ["CREATE TABLE a (x); CREATE TABLE b (x)", "ALTER TABLE a ADD COLUMN y"]

    private func version(_ database: SQLiteDatabase) async throws -> Int {
        try await database.read {
            try $0.queryFirst("PRAGMA user_version")?.decode(0, as: Int.self) ?? -1
        }
    }

    @Test("is brought up to date once")
    func once() async throws {
        try await withTestDatabase { database, _ in
            #expect(try await database.migrate([steps[0]]) == 0)
            #expect(try await version(database) == 1)
            #expect(try await database.migrate(steps) == 1)
            #expect(try await database.migrate(steps) == 2)
            #expect(try await version(database) == 2)
            try await database.write { try $0.execute("INSERT INTO a (x, y) VALUES (1, 2)") }
        }
    }

    @Test("of a newer program is refused and left alone")
    func newer() async throws {
        try await withTestDatabase { database, _ in
            try await database.migrate(steps)
            let error = try await #require(throws: SQLiteError.self) {
                try await database.migrate([steps[0]])
            }
            #expect(error.code == .newerSchema)
            #expect(try await version(database) == 2)
        }
    }

    @Test("stays at the last step that worked")
    func failing() async throws {
        try await withTestDatabase { database, _ in
            await #expect(throws: SQLiteError.self) {
                try await database.migrate([steps[0], "CREATE TABLE c (x); SELEKT"])
            }
            let reached = try await version(database)
            #expect(reached == 1)
            let before = try await database.migrate(steps)
            #expect(before == 1)
        }
    }

    @Test("by two connections at once is made by one of them")
    func atOnce() async throws {
        try await withTestDatabase { database, path in
            let other = try await SQLiteDatabase.open(path)
            async let first = database.migrate(steps)
            async let second = other.migrate(steps)
            _ = try await (first, second)
            #expect(try await version(other) == 2)
            await other.close()
        }
    }
}
