import Glibc
import Platform
import Testing

@testable import Postgres

@Suite("Migrations", .timeLimit(.minutes(2)))
struct PostgresMigrationsTests {
    private let first = PostgresMigration(
        number: 1, name: "projects", sql: "CREATE TABLE projects (name text); CREATE TABLE a ()")
    private let second = PostgresMigration(
        number: 2, name: "hosts", sql: "CREATE TABLE hosts (name text)")

    private func tables(_ options: PostgresOptions) async throws -> [String] {
        let connection = try await PostgresConnection.connect(options)
        let rows = try await connection.query(
            """
            SELECT tablename FROM pg_tables
            WHERE schemaname = 'public' AND tablename <> 'schema_migrations' ORDER BY 1
            """
        ).rows
        await connection.close()
        return try rows.map { try $0[0].decode(String.self) }
    }

    @Test("are applied once, in order, and recorded")
    func once() async throws {
        let options = try await TestDatabases.shared.make()
        let one = try PostgresMigrations([first])
        #expect(try await one.apply(to: options) == .init(present: [], applied: [1]))
        let both = try PostgresMigrations([second, first])
        let connection = try await PostgresConnection.connect(options)
        #expect(try await both.check(connection) == .init(present: [1], applied: [2]))
        #expect(try await both.apply(to: options) == .init(present: [1], applied: [2]))
        #expect(try await both.apply(to: options) == .init(present: [1, 2], applied: []))
        #expect(try await both.check(connection) == .init(present: [1, 2], applied: []))
        #expect(try await tables(options) == ["a", "hosts", "projects"])
        await connection.close()
    }

    @Test("by many programs at once are applied by one of them")
    func atOnce() async throws {
        let options = try await TestDatabases.shared.make()
        let migrations = try PostgresMigrations([
            PostgresMigration(
                number: 1, name: "slow", sql: "CREATE TABLE t (a int); SELECT pg_sleep(0.1)"),
            second,
        ])
        let applied = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<6 {
                group.addTask { try await migrations.apply(to: options).applied.count }
            }
            return try await group.reduce(0, +)
        }
        #expect(applied == 2)
    }

    @Test("of a newer program are refused")
    func newer() async throws {
        let options = try await TestDatabases.shared.make()
        try await PostgresMigrations([first, second]).apply(to: options)
        let error = try await #require(throws: PostgresError.self) {
            try await PostgresMigrations([first]).apply(to: options)
        }
        #expect(error.code == .migration)
        #expect(error.message.contains("newer"))
    }

    @Test("whose text changed after they were applied are refused")
    func changed() async throws {
        let options = try await TestDatabases.shared.make()
        try await PostgresMigrations([first]).apply(to: options)
        let edited = PostgresMigration(number: 1, name: "projects", sql: first.sql + " ")
        let error = try await #require(throws: PostgresError.self) {
            try await PostgresMigrations([edited, second]).apply(to: options)
        }
        #expect(error.code == .migration)
        #expect(error.message.contains("projects"))
        #expect(try await tables(options) == ["a", "projects"])
    }

    @Test("that fail leave nothing behind, and those before them stay")
    func failing() async throws {
        let options = try await TestDatabases.shared.make()
        let broken = PostgresMigration(
            number: 2, name: "broken", sql: "CREATE TABLE b (); SELECT 1 / 0")
        let error = try await #require(throws: PostgresError.self) {
            try await PostgresMigrations([first, broken]).apply(to: options)
        }
        #expect(error.sqlState == "22012")
        #expect(error.message.contains("migration 2 (broken)"))
        #expect(try await tables(options) == ["a", "projects"])
        #expect(
            try await PostgresMigrations([first, second]).apply(to: options)
                == .init(present: [1], applied: [2]))
    }

    @Test("that end their transaction are refused")
    func commits() async throws {
        let options = try await TestDatabases.shared.make()
        let sneaky = PostgresMigration(
            number: 1, name: "sneaky", sql: "CREATE TABLE b (); COMMIT")
        let error = try await #require(throws: PostgresError.self) {
            try await PostgresMigrations([sneaky]).apply(to: options)
        }
        #expect(error.code == .migration)
    }

    @Test("waits for another program's migration only so long")
    func lockTimeout() async throws {
        let options = try await TestDatabases.shared.make()
        let holder = try await PostgresConnection.connect(options)
        try await holder.query("SELECT pg_advisory_lock(\(PostgresMigrations.lock))")
        let error = try await #require(throws: PostgresError.self) {
            try await PostgresMigrations([first]).apply(
                to: options, lockTimeout: .milliseconds(50))
        }
        #expect(error.code == .timeout)
        await holder.close()
    }

    @Test("have numbers without gaps")
    func gaps() {
        #expect(throws: PostgresError.self) { try PostgresMigrations([second]) }
        #expect(throws: PostgresError.self) { try PostgresMigrations([first, first]) }
    }

    @Test("are read from files by their names")
    func files() throws {
        let directory = try TemporaryDirectory()
        for (name, text) in [
            ("0002_hosts.sql", "two"), ("0001_the_projects.sql", "one"), ("README.md", "no"),
            ("1_short.sql", "no"),
        ] {
            try DurableFile.write(Array(text.utf8), to: "\(directory.path)/\(name)")
        }
        let migrations = try PostgresMigrations(directory: directory.path)
        #expect(
            migrations.migrations == [
                PostgresMigration(number: 1, name: "the_projects", sql: "one"),
                PostgresMigration(number: 2, name: "hosts", sql: "two"),
            ])
        let empty = try TemporaryDirectory()
        #expect(throws: PostgresError.self) { try PostgresMigrations(directory: empty.path) }
    }
}
