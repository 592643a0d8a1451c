import Glibc
import Platform
import Postgres
import Shared
import Testing

@testable import Hub

@Suite("The registry from its log", .timeLimit(.minutes(5)))
struct ReplayTests {
    @Test("under load the log rebuilds every view byte for byte")
    func underLoad() async throws {
        let engine = try await Engine()
        let isDone = Locked(false)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<4 {
                group.addTask {
                    let load = try await RegistryLoad(engine, label: "writer-\(writer)")
                    var random = Random()
                    var number = 0
                    while number < 3 || (!isDone.withLock({ $0 }) && number < 500) {
                        number += 1
                        try await load.live("p-\(writer)-\(number)", random: &random)
                    }
                }
            }
            for _ in 0..<4 {
                let outcome = try await engine.asOwner {
                    try await RegistryReplay(connection: $0).run(onlyCompares: true)
                }
                #expect(outcome.differences == [])
                #expect(outcome.unknown == 0)
            }
            isDone.withLock { $0 = true }
            try await group.waitForAll()
        }
        let outcome = try await engine.asOwner {
            try await RegistryReplay(connection: $0).run(onlyCompares: false)
        }
        #expect(outcome.differences == [])
        #expect(outcome.events > 100)
        #expect(outcome.isPutRight == false)
    }

    @Test("whatever changed a view behind the log's back is named and put right, under load too")
    func putRight() async throws {
        let engine = try await Engine()
        let load = try await RegistryLoad(engine, label: "host")
        var random = Random()
        for number in 0..<6 { try await load.live("p-\(number)", random: &random) }
        let before = try await engine.registryDump()
        try await engine.asOwner { connection in
            try await connection.execute(
                script: """
                    UPDATE projects SET owner = 'mallory' WHERE name = 'p-1';
                    UPDATE placements SET generation = 9 WHERE project =
                        (SELECT id FROM projects WHERE name = 'p-2');
                    DELETE FROM copies WHERE destination =
                        (SELECT id FROM projects WHERE name = 'p-3');
                    INSERT INTO pins SELECT id, 'manual', id, now(), 1 FROM backups LIMIT 1;
                    """)
        }
        #expect(try await engine.registryDump() != before)
        let compared = try await engine.asOwner {
            try await RegistryReplay(connection: $0).run(onlyCompares: true)
        }
        #expect(compared.differences.map(\.table) == ["projects", "placements", "pins", "copies"])
        #expect(compared.differences.map(\.changed) == [1, 1, 0, 0])
        #expect(compared.differences.map(\.missing) == [0, 0, 0, 1])
        #expect(compared.differences.map(\.extra) == [0, 0, 1, 0])
        #expect(compared.isPutRight == false)

        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<3 {
                group.addTask {
                    let load = try await RegistryLoad(engine, label: "late-\(writer)")
                    var random = Random()
                    for number in 0..<8 {
                        try await load.live("late-\(writer)-\(number)", random: &random)
                    }
                }
            }
            let outcome = try await engine.asOwner {
                try await RegistryReplay(connection: $0).run(onlyCompares: false)
            }
            #expect(outcome.isPutRight)
            try await group.waitForAll()
        }
        let again = try await engine.asOwner {
            try await RegistryReplay(connection: $0).run(onlyCompares: true)
        }
        #expect(again.differences == [])
        let lines = Set(try await engine.registryDump().split(separator: "\n"))
        #expect(before.split(separator: "\n").allSatisfy { lines.contains($0) })
    }

    @Test("events of a newer program are tolerated, and nothing is put right past them")
    func unknownEvents() async throws {
        let engine = try await Engine()
        let load = try await RegistryLoad(engine, label: "host")
        var random = Random()
        try await load.live("p", random: &random)
        try await engine.pool.query(
            """
            SELECT append_events('test', NULL, NULL::uuid, now(), \(["project.painted"]),
                \([Int64(3)]), \([""]), \([""]), \(["{\"colour\": \"green\"}"]))
            """)
        try await load.live("q", random: &random)
        try await engine.pool.query("UPDATE projects SET owner = 'mallory' WHERE name = 'p'")
        let outcome = try await engine.asOwner {
            try await RegistryReplay(connection: $0).run(onlyCompares: false)
        }
        #expect(outcome.unknown == 1)
        #expect(outcome.differences.map(\.table) == ["projects"])
        #expect(outcome.isPutRight == false)
    }

    @Test("identifiers are the same UUIDs in SQL as in Swift")
    func identifiers() async throws {
        let engine = try await Engine()
        var random = Random()
        for _ in 0..<200 {
            let id = ProjectID(
                milliseconds: Int64(truncatingIfNeeded: random.next() >> 16),
                random: (random.next(), random.next()))
            let found = try await engine.pool.query("SELECT identifier_uuid(\("\(id)")) AS id")
                .one().decode("id", as: ProjectID.self)
            #expect(found == id)
        }
    }

    @Test("every kind of event has its statement, and no other source changes the registry")
    func nothingBypasses() throws {
        let root = "/" + #filePath.split(separator: "/").dropLast(4).joined(separator: "/")
        let allowed = [
            "RegistryStatements.swift", "BucketStatements.swift", "ScheduleStatements.swift",
            "RegistryBenchStore.swift", "HostBenchStore.swift", "ReplayStore.swift",
        ]
        let tables = Set(RegistryStatements.tables + ["events", "event_counter"])
        let paths = try sources(in: root + "/Sources/Hub")
        #expect(paths.count > 50)
        for path in paths where !allowed.contains(where: { path.hasSuffix("/" + $0) }) {
            let text = String(
                decoding: try DurableFile.read(path, limitBytes: 1 << 20), as: UTF8.self)
            let words = text.split { !($0.isLetter || $0.isNumber || $0 == "_") }.map(String.init)
            for index in words.indices.dropFirst(2) where tables.contains(words[index]) {
                let before = [words[index - 2], words[index - 1]]
                let isChange =
                    before == ["INSERT", "INTO"] || before == ["DELETE", "FROM"]
                    || (before[1] == "UPDATE" && before[0] != "FOR")
                #expect(!isChange, "\(path) changes \(words[index]) without an event")
            }
        }
        for path in paths where !path.hasSuffix("/RegistryViews.swift") {
            let text = String(
                decoding: try DurableFile.read(path, limitBytes: 1 << 20), as: UTF8.self)
            #expect(
                !text.contains("RegistryViews(") || path.hasSuffix("/RegistryWriter.swift"),
                "\(path) applies an event that it may not append")
        }
    }

    private func sources(in directory: String) throws -> [String] {
        let names = try directoryEntries(of: try Descriptor(opening: directory, flags: O_DIRECTORY))
        return try names.map { String(decoding: $0, as: UTF8.self) }.flatMap { name in
            let path = directory + "/" + name
            return name.hasSuffix(".swift") ? [path] : try sources(in: path)
        }
    }
}
