import Testing

/// A source with something forbidden, and a word of the complaint.
struct Planted: Sendable, CustomTestStringConvertible {
    let path: String
    let text: String
    let complaint: String

    var testDescription: String { "\(path): \(complaint)" }

    static let all: [Planted] = [
        Planted("Sources/Shared/A.swift", "import Glibc", "may not import Glibc"),
        Planted("Sources/Shared/A.swift", "public import Platform", "may not import Platform"),
        Planted("Sources/Hub/A.swift", "import HostAgent", "may not import HostAgent"),
        Planted("Sources/HostAgent/A.swift", "@testable import Hub", "may not import Hub"),
        Planted("Sources/Btrfs/A.swift", "internal import CSQLite", "may not import CSQLite"),
        Planted("Sources/SQLite/A.swift", "import struct Shared.A", "may not import Shared"),
        Planted("Sources/CLI/A.swift", "import Foundation", "FoundationEssentials"),
        Planted("Sources/Nowhere/A.swift", "", "no module"),
        Planted("Sources/Executables/berth/Main.swift", "import Hub", "may not import Hub"),
        Planted("Tests/BtrfsTests/A.swift", "import Hub", "may not import Hub"),
        Planted("Sources/Hub/A.swift", "let a = try! b()", "try!"),
        Planted("Sources/Hub/A.swift", "let a = b as! C", "as!"),
        Planted("Sources/Hub/A.swift", "fatalError(\"no\")", "fatalError("),
        Planted("Sources/Hub/A.swift", "    Task { await a() }", "structured"),
        Planted("Sources/Hub/A.swift", "Task.detached { }", "structured"),
        Planted("Sources/Hub/A.swift", "let t: Task<Void, Never>", "structured"),
        Planted("Sources/Hub/A.swift", "Thread.sleep(1)", "event"),
        Planted("Sources/Btrfs/A.swift", "let a = b.withNumber { $0 }", "in the closure"),
        Planted("Sources/Hub/A.swift", "let a = \"\"\"\nSELECT a\nFROM b\n\"\"\"", "SQL"),
        Planted("Sources/Hub/API/A.swift", "let a = \"DELETE FROM a\"", "SQL"),
        Planted("Sources/Hub/A.swift", "let a = \"UPDATE a\n SET b = 1\"", "SQL"),
        Planted("Sources/HostAgent/A.swift", "let a = \"INSERT INTO a \"", "SQL"),
        Planted("Sources/HostAgent/Store/A.swift", "\"SELECT 1 FROM a \"", "SQL"),
        Planted("Sources/Hub/StringUtils.swift", "", "Utils"),
        Planted("Sources/Hub/LeaseManager.swift", "", "Manager"),
        Planted("Sources/HTTP/A.swift", "public struct A {}", "doc comment"),
        Planted("Sources/HTTP/A.swift", "// a\n@safe public final class A {}", "doc comment"),
        Planted("Sources/HTTP/A.swift", "struct A {\n    public static func b() {}\n}", "doc"),
        Planted("Sources/HTTP/A.swift", "extension A {\n    public var b: Int { 1 }\n}", "doc"),
        Planted("Sources/Hub/A.swift", String(repeating: "\n", count: 401), "401 lines"),
        Planted("Sources/Hub/A.swift", function(lines: 71), "a function of 71 lines"),
        Planted("Tests/HubTests/A.swift", function(lines: 90), "a function of 90 lines"),
    ]

    init(_ path: String, _ text: String, _ complaint: String) {
        self.path = path
        self.text = text
        self.complaint = complaint
    }

    static func function(lines: Int) -> String {
        return
            "struct A {\n    static func f(\n        b: () -> Void = {}\n    ) async throws -> Int {\n"
            + String(repeating: "        a(\"}\") // }\n", count: lines - 4) + "    }\n}\n"
    }
}

@Suite("The checks themselves")
struct PlantedViolationTests {
    private func found(_ path: String, _ text: String) throws -> [Violation] {
        let table = ModuleTable(manifest: try SourceTree.read("Package.swift"))
        return SourceCheck(table: table).violations(in: SourceFile(path: path, text: text))
    }

    @Test("a planted violation is found", arguments: Planted.all)
    func planted(_ planted: Planted) throws {
        let found = try found(planted.path, planted.text)
        #expect(found.count == 1, "\(found)")
        #expect(found.first?.rule.contains(planted.complaint) == true, "\(found)")
    }

    @Test(
        "what only looks like a violation is none",
        arguments: [
            ("Sources/Hub/A.swift", "// try! Task { as! fatalError(\n/* Task.detached /* */ */"),
            ("Sources/Hub/A.swift", "let a = \"try! \\(b(\"Task {\")) as!\""),
            ("Sources/Hub/A.swift", "let a = #\"a \"try!\" b\"#"),
            ("Sources/Hub/A.swift", "/// SELECT a FROM b\nlet a = 1"),
            ("Sources/Hub/A.swift", "group.addTask { }\ngroup.addTask(priority: .low) { }"),
            ("Sources/Hub/Store/A.swift", "let a = \"SELECT a FROM b \""),
            ("Sources/HostAgent/Ledger/A.swift", "let a = \"DELETE FROM b \""),
            (
                "Sources/Hub/A.swift",
                "// import HostAgent\nlet a = \"\"\"\nimport HostAgent\n\"\"\""
            ),
            ("Sources/Btrfs/A.swift", "public import Platform\nimport CBtrfs\nimport Glibc"),
            ("Sources/Hub/A.swift", Planted.function(lines: 70)),
            ("Sources/HTTP/A.swift", "/// A.\n@safe\npublic struct A {\n    public init() {}\n}"),
            ("Sources/HTTP/A.swift", "extension A: B {\n    public func c() {}\n}"),
            ("Sources/HTTP/A.swift", "struct A {\n    public var description: String { a }\n}"),
            (
                "Sources/HTTP/A.swift",
                "struct A {\n    public static func < (a: A) -> Bool { b }\n}"
            ),
            ("Sources/Hub/A.swift", String(repeating: "\n", count: 400)),
            ("Tests/HubTests/A.swift", "let a = \"SELECT a FROM b \""),
        ])
    func innocent(path: String, text: String) throws {
        let found = try found(path, text)
        #expect(found.isEmpty, "\(found)")
    }
}
