import Glibc
import Platform
import SQLite
import Testing

private enum Colour: String, SQLiteConvertible, Equatable {
    case red, green
}

private struct Refused: Error {}

/// Runs `body` with a database in a directory of its own.
func withTestDatabase(
    _ options: SQLiteOptions = SQLiteOptions(),
    _ body: (SQLiteDatabase, _ path: String) async throws -> Void
) async throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/ledger.db"
    let database = try await SQLiteDatabase.open(path, options: options)
    try await body(database, path)
    await database.close()
    try directory.remove()
}

@Suite("A database file", .timeLimit(.minutes(2)))
struct SQLiteDatabaseTests {
    @Test(
        "gives values back as they went in",
        arguments: [
            .null, 0, 1, .integer(.min), .integer(.max), .real(0.1), .real(-1e300), "", "a",
            .text("☃ 🧭 it's \"quoted\"\n"), .text("nul\0inside"), .blob([]),
            .blob(Array(0...255)),
        ] as [SQLiteValue])
    func roundTrip(value: SQLiteValue) async throws {
        try await withTestDatabase { database, _ in
            let rows = try await database.write { connection in
                try connection.execute("CREATE TABLE t (v)")
                let inserted = try connection.execute("INSERT INTO t VALUES (\(value))")
                #expect(inserted == 1)
                return try connection.query("SELECT v, typeof(v) FROM t WHERE v IS \(value)")
            }
            #expect(rows.map { $0[0] } == [value])
        }
    }

    @Test("reads values as the types asked for, and refuses what does not fit")
    func decoding() async throws {
        try await withTestDatabase { database, _ in
            let row = try await database.read { connection in
                try connection.queryFirst(
                    "SELECT \(1) AS i, \("red") AS c, \(Int?.none) AS n, \(true) AS b, 2.5 AS r")
            }
            let found = try #require(row)
            #expect(try found.decode("i", as: Int.self) == 1)
            #expect(try found.decode("i", as: Double.self) == 1)
            #expect(try found.decode("c", as: Colour.self) == .red)
            #expect(try found.decode("n", as: String?.self) == nil)
            #expect(try found.decode("b", as: Bool.self))
            #expect(throws: SQLiteError.self) { try found.decode("n", as: String.self) }
            #expect(throws: SQLiteError.self) { try found.decode("i", as: Colour.self) }
            #expect(throws: SQLiteError.self) { try found.decode("r", as: Int.self) }
            #expect(throws: SQLiteError.self) { try found.decode("missing", as: Int.self) }
        }
    }

    @Test("is in WAL mode, fully synchronous, with foreign keys enforced")
    func settings() async throws {
        try await withTestDatabase { database, _ in
            let settings = try await database.read { connection in
                let questions: [SQLiteStatementText] = [
                    "PRAGMA journal_mode", "PRAGMA synchronous", "PRAGMA foreign_keys",
                    "PRAGMA busy_timeout",
                ]
                return try questions.map { try connection.queryFirst($0)?[0] }
            }
            #expect(settings == ["wal", 2, 1, 5000])
        }
    }

    @Test("keeps nothing of a transaction whose closure throws")
    func rollback() async throws {
        try await withTestDatabase { database, _ in
            try await database.write { try $0.execute("CREATE TABLE t (v UNIQUE)") }
            await #expect(throws: Refused.self) {
                try await database.write { connection in
                    try connection.execute("INSERT INTO t VALUES (1)")
                    throw Refused()
                }
            }
            let error = try await #require(throws: SQLiteError.self) {
                try await database.write { connection in
                    try connection.execute("INSERT INTO t VALUES (2)")
                    try connection.execute("INSERT INTO t VALUES (2)")
                }
            }
            #expect(error.code == .constraint)
            #expect(error.isUniqueViolation)
            let rows = try await database.read { try $0.query("SELECT * FROM t") }
            #expect(rows.isEmpty)
        }
    }

    @Test("keeps nothing of a transaction whose COMMIT fails")
    func failingCommit() async throws {
        try await withTestDatabase { database, _ in
            try await database.write {
                try $0.execute(
                    script: """
                        CREATE TABLE parent (id INTEGER PRIMARY KEY);
                        CREATE TABLE child (
                            parent INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
                        """)
            }
            let error = try await #require(throws: SQLiteError.self) {
                try await database.write { try $0.execute("INSERT INTO child VALUES (7)") }
            }
            #expect(error.code == .constraint)
            let rows = try await database.write { try $0.query("SELECT * FROM child") }
            #expect(rows.isEmpty)
        }
    }

    @Test("refuses to write while reading, and to nest transactions")
    func boundaries() async throws {
        try await withTestDatabase { database, _ in
            try await database.write { try $0.execute("CREATE TABLE t (v)") }
            let error = try await #require(throws: SQLiteError.self) {
                try await database.read { try $0.execute("INSERT INTO t VALUES (1)") }
            }
            #expect(error.code == .readOnly)
            try await database.write { try $0.execute("INSERT INTO t VALUES (1)") }
            await #expect(throws: SQLiteError.self) {
                try await database.write { try $0.execute("BEGIN") }
            }
            let count = try await database.read { try $0.query("SELECT * FROM t").count }
            #expect(count == 1)
        }
    }

    @Test("takes one statement at a time, with as many values as it has places")
    func statements() async throws {
        try await withTestDatabase { database, _ in
            for text in ["SELECT 1; SELECT 2", "", "SELEKT", "SELECT ?"] as [SQLiteStatementText] {
                let error = try await #require(throws: SQLiteError.self) {
                    try await database.read { try $0.query(text) }
                }
                #expect(error.code == .statement)
            }
            let (count, value) = try await database.read { connection in
                let count = try connection.query("SELECT 1;\n").count
                return (count, try connection.query("SELECT ?", [3])[0][0])
            }
            #expect(count == 1)
            #expect(value == 3)
        }
    }

    @Test("goes on when more statements are used than it keeps")
    func statementCache() async throws {
        try await withTestDatabase(SQLiteOptions(statementLimit: 2)) { database, _ in
            let sum = try await database.read { connection in
                var sum = 0
                for round in 0..<3 {
                    for number in 0..<10 {
                        let name = "c\(number)"
                        let row = try connection.queryFirst(
                            "SELECT \(round) AS \(identifier: name)")
                        sum += try row?.decode(name, as: Int.self) ?? 0
                    }
                }
                return sum
            }
            #expect(sum == 30)
        }
    }

    @Test("sees new columns through a statement that it has kept")
    func changedSchema() async throws {
        try await withTestDatabase { database, _ in
            let columns = try await database.write { connection in
                try connection.execute(script: "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
                let before = try connection.query("SELECT * FROM t")
                try connection.execute(script: "ALTER TABLE t ADD COLUMN b DEFAULT 2")
                let between = try connection.query("SELECT * FROM t")
                try connection.execute(script: "ALTER TABLE t RENAME COLUMN b TO c")
                let after = try connection.query("SELECT * FROM t")
                return [before, between, after].map { $0.first?.columns }
            }
            #expect(columns == [["a"], ["a", "b"], ["a", "c"]])
        }
    }

    @Test("belongs to its owner alone")
    func permissions() async throws {
        try await withTestDatabase { database, path in
            try await database.write { try $0.execute("CREATE TABLE t (v)") }
            for suffix in ["", "-wal", "-shm"] {
                var status = stat()
                try systemCall("stat") { unsafe stat(path + suffix, &status) }
                #expect(status.st_mode & 0o777 == 0o600)
            }
        }
    }

    @Test("counts what a statement changed, and nothing for one that changes nothing")
    func changes() async throws {
        try await withTestDatabase { database, _ in
            let counts = try await database.write { connection in
                try connection.execute("CREATE TABLE t (v)")
                return [
                    try connection.execute("INSERT INTO t VALUES (1), (2), (3)"),
                    try connection.execute("UPDATE t SET v = 9 WHERE v > 1"),
                    try connection.execute("UPDATE t SET v = 9 WHERE v > 100"),
                    try connection.execute("CREATE TABLE u (v)"),
                ]
            }
            #expect(counts == [3, 2, 0, 0])
        }
    }

    @Test("says that it is closed")
    func closed() async throws {
        try await withTestDatabase { database, _ in
            await database.close()
            let error = try await #require(throws: SQLiteError.self) {
                try await database.read { try $0.query("SELECT 1") }
            }
            #expect(error.code == .closed)
        }
    }
}
