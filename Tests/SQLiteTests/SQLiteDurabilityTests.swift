import Glibc
import Platform
import SQLite
import Testing

@Suite("A database file in bad days", .timeLimit(.minutes(2)))
struct SQLiteDurabilityTests {
    @Test("keeps every committed transaction, and only those, of a writer that is killed")
    func killedWriter() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/ledger.db"
        for round in 1...3 {
            let process = try await KilledWriter.start(path: path)
            // What the writer printed was committed before.
            var printed = 0
            while printed < 40 * round {
                try #require(process.exit == nil, "the writer ended by itself")
                try await Task.sleep(for: .milliseconds(5))
                printed = try KilledWriter.committed(path: path)
            }
            try process.signal(SIGKILL)
            _ = try await process.wait()
            printed = try KilledWriter.committed(path: path)

            let database = try await SQLiteDatabase.open(path)
            let (pairs, halves) = try await database.read { connection in
                let pairs = try connection.query("SELECT n FROM t GROUP BY n HAVING count(*) = 2")
                let halves = try connection.query("SELECT n FROM t GROUP BY n HAVING count(*) <> 2")
                return (pairs.count, halves.count)
            }
            #expect(pairs >= printed)
            #expect(pairs <= printed + round, "at most one commit per writer was not printed")
            #expect(halves == 0, "a transaction writes two rows")
            #expect(try await database.integrityCheck() == [])
            await database.close()
        }
    }

    @Test("makes a second writer wait, and tells it when the wait was too long")
    func busy() async throws {
        try await withTestDatabase { database, path in
            try await database.write { try $0.execute("CREATE TABLE t (v)") }
            let impatient = try await SQLiteDatabase.open(
                path, options: SQLiteOptions(busyTimeout: .milliseconds(50)))
            let patient = try await SQLiteDatabase.open(path)
            let fifo = path + ".fifo"
            try systemCall("mkfifo") { unsafe mkfifo(fifo, 0o600) }
            let isHeld = Locked(false)
            async let held: Void = database.write { _ in
                isHeld.withLock { $0 = true }
                // Holds the write lock, on the database's own thread, until the test opens it.
                _ = try Descriptor(opening: fifo, flags: O_RDONLY)
            }
            while !isHeld.withLock({ $0 }) { try await Task.sleep(for: .milliseconds(1)) }
            let error = await #expect(throws: SQLiteError.self) {
                try await impatient.write { try $0.execute("INSERT INTO t VALUES (1)") }
            }
            #expect(error?.code == .busy)
            // Reading goes on beside a writer.
            let seen = try await impatient.read { try $0.query("SELECT * FROM t").count }
            #expect(seen == 0)
            async let waiting = patient.write { try $0.execute("INSERT INTO t VALUES (2)") }
            _ = try Descriptor(opening: fifo, flags: O_WRONLY)
            try await held
            #expect(try await waiting == 1)
            let third = try await impatient.write { try $0.execute("INSERT INTO t VALUES (3)") }
            #expect(third == 1)
            await impatient.close()
            await patient.close()
        }
    }

    @Test("that is damaged is recognised")
    func corrupt() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/ledger.db"
        try DurableFile.write(Array("this is no database, whatever it is".utf8), to: path)
        let error = try await #require(throws: SQLiteError.self) {
            try await SQLiteDatabase.open(path)
        }
        #expect(error.code == .corrupt)
    }

    @Test("whose inner pages are damaged fails its check")
    func damagedPages() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/ledger.db"
        let database = try await SQLiteDatabase.open(path)
        try await database.write { connection in
            try connection.execute("CREATE TABLE t (v)")
            for number in 0..<2000 {
                try connection.execute("INSERT INTO t VALUES (\("row \(number)"))")
            }
        }
        #expect(try await database.integrityCheck() == [])
        try await database.checkpoint()
        await database.close()
        var bytes = try DurableFile.read(path, limitBytes: 1 << 24)
        for index in 8192..<12_288 { bytes[index] = 0xa5 }
        try DurableFile.write(bytes, to: path)
        let damaged = try await SQLiteDatabase.open(path)
        do {
            #expect(try await damaged.integrityCheck() != [])
        } catch let error as SQLiteError {
            #expect(error.code == .corrupt)
        }
        await damaged.close()
    }

    @Test("that cannot grow says that the disk is full, and goes on when there is room")
    func full() async throws {
        try await withTestDatabase { database, _ in
            try await database.write { connection in
                try connection.execute("CREATE TABLE t (v)")
                try connection.execute(script: "PRAGMA max_page_count = 20")
            }
            let error = try await #require(throws: SQLiteError.self) {
                try await database.write { connection in
                    try connection.execute("INSERT INTO t VALUES (zeroblob(1000000))")
                }
            }
            #expect(error.code == .diskFull)
            try await database.write { try $0.execute("INSERT INTO t VALUES (1)") }
            #expect(try await database.integrityCheck() == [])
        }
    }

    @Test("that is missing is not made when it must be there")
    func missing() async throws {
        let directory = try TemporaryDirectory()
        let error = try await #require(throws: SQLiteError.self) {
            try await SQLiteDatabase.open(
                directory.path + "/none.db", options: SQLiteOptions(creates: false))
        }
        #expect(error.code == .cannotOpen)
        #expect(error.message.contains("none.db"))
    }

    @Test("has an empty write-ahead log after a checkpoint")
    func checkpoint() async throws {
        try await withTestDatabase { database, path in
            try await database.write { try $0.execute("CREATE TABLE t (v)") }
            var status = stat()
            try systemCall("stat") { unsafe stat(path + "-wal", &status) }
            #expect(status.st_size > 0)
            try await database.checkpoint()
            try systemCall("stat") { unsafe stat(path + "-wal", &status) }
            #expect(status.st_size == 0)
        }
    }

    @Test("whose foreign keys dangle fails its check")
    func orphans() async throws {
        try await withTestDatabase { database, path in
            // Foreign keys are always on here, so the rule is forged into the schema afterwards.
            try await database.write {
                try $0.execute(
                    script: """
                        CREATE TABLE p (id INTEGER PRIMARY KEY);
                        CREATE TABLE c (p);
                        INSERT INTO c VALUES (7);
                        PRAGMA writable_schema = ON;
                        UPDATE sqlite_schema SET sql = 'CREATE TABLE c (p REFERENCES p)'
                            WHERE name = 'c';
                        """)
            }
            let again = try await SQLiteDatabase.open(path)
            let found = try await again.integrityCheck()
            #expect(found == ["a row of c refers to a missing row of p"])
            await again.close()
        }
    }
}
