import Shared
import Testing

@testable import CLI

@Suite("Tables and quantities")
struct RenderingTests {
    @Test(
        "sizes are in binary units",
        arguments: [
            (0, "0 B"), (1, "1 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"),
            (1_048_575, "1.0 MiB"), (1_048_576, "1.0 MiB"), (314_572_800, "300.0 MiB"),
            (1_099_511_627_776, "1.0 TiB"), (Int64.max, "8.0 EiB"), (-2048, "-2.0 KiB"),
        ] as [(Int64, String)])
    func bytes(count: Int64, text: String) {
        #expect(Quantity.bytes(count) == text)
    }

    @Test(
        "ages have one unit, and never means –",
        arguments: [
            (-5, "0s"), (0, "0s"), (59, "59s"), (60, "1m"), (3599, "59m"), (3600, "1h"),
            (172_799, "47h"), (172_800, "2d"), (8_640_000, "100d"),
        ] as [(Int64, String)])
    func ages(seconds: Int64, text: String) {
        #expect(Quantity.age(seconds: seconds) == text)
        let now = Timestamp(milliseconds: 10_000_000_000)
        let then = Timestamp(milliseconds: now.milliseconds - seconds * 1000)
        #expect(Quantity.age(then, at: now) == text)
        #expect(Quantity.age(nil, at: now) == "–")
    }

    @Test("clocks, durations and counts read well")
    func others() {
        #expect(Quantity.clock(seconds: 40) == "0:40")
        #expect(Quantity.clock(seconds: 191) == "3:11")
        #expect(Quantity.clock(seconds: 3723) == "1:02:03")
        #expect(Quantity.clock(seconds: 1e300).isEmpty == false)
        #expect(Quantity.duration(milliseconds: 1840) == "1.8s")
        #expect(Quantity.duration(milliseconds: 604_000) == "10m 04s")
        #expect(Quantity.duration(milliseconds: 7_500_000) == "2h 05m")
        #expect(Quantity.count(20_013, "file") == "20,013 files")
        #expect(Quantity.count(1, "file") == "1 file")
        #expect(Quantity.count(-1_234_567) == "-1,234,567")
        #expect(Quantity.decimal(.infinity) == "?")
        #expect(Quantity.decimal(-0.04) == "0.0")
    }

    @Test(
        "nothing from outside can steer the terminal",
        arguments: [
            (Array("plain ü 漢".utf8), "plain ü 漢"), (Array("a\nb\tc\r".utf8), #"a\nb\tc\r"#),
            ([0x1B, 0x5B, 0x32, 0x4A], #"\x1b[2J"#), ([0x7F, 0xC2, 0x9B], #"\x7f\x9b"#),
            ([0x61, 0xFF, 0xFE], #"a\xff\xfe"#), ([0xE2, 0x82], #"\xe2\x82"#),
            (Array("a\\nb".utf8), #"a\\nb"#), (Array("\u{202E}gpj".utf8), #"\u{202e}gpj"#),
            ([0xC0, 0x80], #"\xc0\x80"#), ([], ""),
        ] as [([UInt8], String)])
    func harmless(bytes: [UInt8], shown: String) {
        #expect(HarmlessText.name(bytes) == shown)
    }

    @Test("every byte string gets a name of its own, printable")
    func injective() {
        var seen: [String: [UInt8]] = [:]
        let alphabet: [UInt8] = [0x5C, 0x78, 0x6E, 0x0A, 0x61, 0xFF, 0xC3, 0xA9, 0x30]
        for index in 0..<6561 {
            let bytes = [index % 9, index / 9 % 9, index / 81 % 9, index / 729].map { alphabet[$0] }
            let shown = HarmlessText.name(bytes)
            #expect(shown.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F })
            #expect(seen[shown] == nil || seen[shown] == bytes)
            seen[shown] = bytes
        }
    }

    private let table = Table(
        columns: [
            .text("NAME"), .number("SIZE"), .text("LONG", droppedAt: 2), .number("X", droppedAt: 1),
            .identifier("ID"),
        ],
        rows: [
            ["notes", "1.0 KiB", "something long", "1", "project_01h455vb4pex5vsknk084sn02q"],
            ["a", "300.0 MiB", "-", "22", "project_01h455vb4pex5vsknk084sn02z"],
        ])

    @Test("columns are aligned, and nothing is left out where no terminal is")
    func aligned() {
        #expect(
            table.text(width: nil, hasHeader: true) == """
                NAME        SIZE  LONG             X  ID
                notes    1.0 KiB  something long   1  project_01h455vb4pex5vsknk084sn02q
                a      300.0 MiB  -               22  project_01h455vb4pex5vsknk084sn02z

                """)
        #expect(table.text(width: nil, hasHeader: false).hasPrefix("notes"))
    }

    @Test("a narrow terminal gets short identifiers first, then fewer columns")
    func narrow() {
        let short = table.text(width: 60, hasHeader: true)
        #expect(short.contains("LONG"))
        #expect(short.contains("84sn02q") && !short.contains("project_01h"))
        let narrow = table.text(width: 32, hasHeader: true)
        #expect(!narrow.contains("LONG"))
        #expect(narrow.contains("SIZE"))
        for width in 1...80 {
            let lines = table.text(width: width, hasHeader: true).split(separator: "\n")
            #expect(lines.count == 3)
            #expect(width < 26 || lines.allSatisfy { $0.count <= width })
        }
    }

    @Test("unknown exposure is ?, never zero, and no exposure is –")
    func exposure() {
        var project = Samples.project()
        project.exposureSeconds = nil
        #expect(ProjectText.exposure(project) == "?")
        project.exposureSeconds = 0
        #expect(ProjectText.exposure(project) == "–")
        project.exposureSeconds = 111_600
        #expect(ProjectText.exposure(project) == "31h")
        project.provisioned = nil
        project.runtimeState = nil
        let row = ProjectText(now: Samples.now).table([project]).rows[0]
        #expect(row[3] == "?" && row[4] == "?")
    }

    @Test(
        "modes are written as ls writes them",
        arguments: [
            ("file", 0o644, "-rw-r--r--"), ("dir", 0o1777, "drwxrwxrwt"),
            ("file", 0o4755, "-rwsr-xr-x"),
            ("file", 0o6644, "-rwSr-Sr--"), ("fifo", 0o600, "prw-------"),
            ("symlink", 0o777, "lrwxrwxrwx"), ("later", 0, "?---------"),
            ("dir", 0o1770, "drwxrwx--T"),
        ] as [(String, UInt32, String)])
    func modes(type: String, mode: UInt32, text: String) {
        #expect(BackupText.mode(Samples.entry(type: type, mode: mode)) == text)
    }

    @Test("the status of a fleet says which drains are going on, and how far they are")
    func drains() {
        var status = Samples.status(hosts: 3)
        #expect(!StatusText(isColored: false).text(status).contains("drain"))
        var drain = Samples.operation(
            .waiting, kind: .drain,
            waiting: Waiting(
                reason: .children, sentence: "12 of 61 projects moved, 2 at work"))
        drain.scopeName = "h2"
        var batch = drain
        batch.kind = .batch
        status.drains = [drain, batch]
        let lines = StatusText(isColored: false).text(status).split(separator: "\n")
        #expect(
            lines.contains {
                $0.contains("\(drain.id)  drain of h2: 12 of 61 projects moved, 2 at work")
            })
        #expect(lines.contains { $0.contains("batch: 12 of 61 projects moved") })
        #expect(lines.allSatisfy { $0.count <= 110 })
    }

    @Test(
        "the status of a fleet fits one screen, however many hosts there are", arguments: [3, 3000])
    func status(hosts: Int) {
        let text = StatusText(isColored: false).text(Samples.status(hosts: hosts))
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.count <= 32)
        #expect(lines.allSatisfy { $0.count <= 110 })
        #expect(text.contains("✕ 1 never"))
        #expect(text.contains("worst exposure 31h  \"notes\" on h1"))
        #expect(text.contains("▲ one disk holds everything"))
        #expect(!text.contains("\u{1B}"))
        #expect(StatusText(isColored: true).text(Samples.status(hosts: 3)).contains("\u{1B}[32m"))
    }

    @Test("documents have a schema, sorted members and one form")
    func documents() throws {
        let line = try Document.line(Samples.project(), schema: "project/1")
        #expect(line.hasSuffix("}\n") && line.filter(\.isNewline).count == 1)
        let value = try JSON.decode(JSONValue.self, from: line.utf8)
        #expect(value["schema"] == .string("project/1"))
        #expect(try JSON.decode(ProjectDescription.self, from: value) == Samples.project())
        let pretty = try Document.pretty(Samples.project(), schema: "project/1")
        #expect(try JSON.decode(JSONValue.self, from: pretty.utf8) == value)
        #expect(pretty.filter(\.isNewline).count > 10)
    }
}
